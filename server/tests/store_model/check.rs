//! How a difference becomes an error.

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

macro_rules! same {
    ($store:expr, $model:expr, $($what:tt)+) => {{
        let (store, model) = (&$store, &$model);
        if store != model {
            return Err(format!("{}: the store says {store:#?}, the model {model:#?}", format!($($what)+)));
        }
    }};
}
