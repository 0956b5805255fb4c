//! The one door of the language bindings: operations by name, arguments and results as JSON.

use std::path::PathBuf;

use multi_upload_wire::UploadStatus;
use serde_json::{Map, Value};

use crate::accounts;
use crate::args::{Args, nearest, unknown_operation};
use crate::batch;
use crate::boards::{self, BoardFilter};
use crate::client::Client;
use crate::compose::{self, LocalMedia};
use crate::error::Error;
use crate::keys;
use crate::media::{self, MediaInput};
use crate::options::CallOptions;
use crate::page::{ItemStream, Items};
use crate::request::{Path, Plan};
use crate::service;
use crate::slots;
use crate::uploads::{self, UploadFilter};
use crate::watch;
use crate::webhooks;

/// An operation that every language offers under the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// `namespace.verb`.
    pub name: &'static str,
    /// What it gives.
    pub shape: Shape,
}

/// What an operation gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One object: [`Client::call`].
    Object,
    /// Many items that end: [`Client::stream`], or [`Client::call`] for `{"items": […]}`.
    List,
    /// Items as they come: [`Client::stream`] only.
    Feed,
}

macro_rules! operations {
    ($($name:literal $shape:ident,)*) => {
        /// Every operation.
        pub const OPERATIONS: &[Operation] = &[
            $(Operation { name: $name, shape: Shape::$shape },)*
        ];
    };
}

operations! {
    "uploads.create" Object,
    "uploads.create_many" Object,
    "uploads.validate" Object,
    "uploads.get" Object,
    "uploads.list" List,
    "uploads.update" Object,
    "uploads.cancel" Object,
    "uploads.retry" Object,
    "uploads.resolve" Object,
    "uploads.wait" Object,
    "uploads.wait_many" Object,
    "uploads.watch" Feed,
    "uploads.events" Object,
    "boards.list" List,
    "boards.create" Object,
    "boards.sections" List,
    "boards.create_section" Object,
    "accounts.list" List,
    "accounts.get" Object,
    "accounts.limits" Object,
    "accounts.disconnect" Object,
    "accounts.start_connection" Object,
    "accounts.connection" Object,
    "accounts.wait_connected" Object,
    "slots.list" List,
    "slots.create" Object,
    "slots.update" Object,
    "slots.delete" Object,
    "media.upload" Object,
    "media.get" Object,
    "api_keys.create" Object,
    "api_keys.list" List,
    "api_keys.revoke" Object,
    "webhooks.create" Object,
    "webhooks.list" List,
    "webhooks.get" Object,
    "webhooks.update" Object,
    "webhooks.delete" Object,
    "webhooks.test" Object,
    "webhooks.rotate" Object,
    "webhooks.deliveries" List,
    "webhooks.redeliver" Object,
    "service.health" Object,
}

type Object = Map<String, Value>;

/// What an operation comes down to.
enum Route {
    /// One request; its answer is the result.
    Fetch(Plan),
    /// One request; the result is empty.
    Send(Plan),
    /// A list; `call` collects it.
    List(Path),
    /// Several requests.
    CreateWith(Box<LocalMedia>, Object),
    CreateMany(Vec<Object>, u32),
    Wait(String),
    WaitMany(Vec<String>),
    Watch(Option<Vec<String>>),
    WaitConnected(String),
    Upload(MediaInput),
}

impl Client {
    /// Runs an operation by name. Lists are collected into `{"items": […]}`.
    ///
    /// # Errors
    /// `CONFIG_INVALID` for an unknown operation, `VALIDATION_FAILED` for wrong arguments, and those of the operation.
    pub async fn call(
        &self,
        operation: &str,
        args: Value,
        options: CallOptions,
    ) -> Result<Value, Error> {
        let operation = find(operation)?;
        let object = match route(operation.name, args)? {
            Route::Fetch(plan) => self.fetch::<Object>(plan, &options).await?,
            Route::Send(plan) => {
                self.send(plan, &options).await?;
                Object::new()
            }
            Route::List(path) => {
                let items = self.items::<Value>(Ok(path), options).collect().await?;
                one("items", items)
            }
            Route::CreateWith(files, body) => {
                compose::create_with(self, body, *files, &options).await?
            }
            Route::CreateMany(rows, size) => {
                let results = batch::create_many::<_, Object>(self, rows, size, &options).await?;
                one("results", results)
            }
            Route::Wait(id) => watch::wait(self, &id, &options).await?,
            Route::WaitMany(ids) => {
                let uploads = watch::wait_many::<Object>(self, &ids, &options).await?;
                one("uploads", uploads)
            }
            Route::Watch(_) => {
                return Err(Error::invalid(
                    "",
                    "invalid",
                    format!("`{}` gives items as they come: stream it", operation.name),
                ));
            }
            Route::WaitConnected(id) => accounts::wait_connected(self, &id, &options).await?,
            Route::Upload(input) => media::upload(self, input, &options).await?,
        };
        Ok(Value::Object(object))
    }

    /// Runs an operation that gives many items. An unknown operation or wrong arguments arrive as the first item.
    #[must_use]
    pub fn stream(&self, operation: &str, args: Value, options: CallOptions) -> ItemStream {
        let route = find(operation).and_then(|operation| route(operation.name, args));
        match route {
            Err(error) => Items::failed(error),
            Ok(Route::List(path)) => self.items(Ok(path), options),
            Ok(Route::Watch(ids)) => {
                watch::watch::<Object>(self.clone(), ids, options).map(Value::Object)
            }
            Ok(_) => Items::failed(Error::invalid(
                "",
                "invalid",
                format!("`{operation}` gives one object: call it"),
            )),
        }
    }
}

fn find(name: &str) -> Result<&'static Operation, Error> {
    OPERATIONS
        .iter()
        .find(|operation| operation.name == name)
        .ok_or_else(|| unknown_operation(name, OPERATIONS.iter().map(|operation| operation.name)))
}

fn one<T: Into<Value>>(name: &str, items: Vec<T>) -> Object {
    Object::from_iter([(name.to_owned(), items.into())])
}

/// Checks the arguments and says what to do. Bodies of requests pass unread: the service checks them, and
/// a newer service may know more fields.
fn route(name: &'static str, args: Value) -> Result<Route, Error> {
    let mut args = Args::new(name, args)?;
    let route = match name {
        "uploads.create" => {
            let files = LocalMedia::take(&mut args)?;
            return Ok(if files.is_empty() {
                Route::Fetch(uploads::create(&args.rest())?)
            } else {
                Route::CreateWith(Box::new(files), args.rest())
            });
        }
        "uploads.validate" => return Ok(Route::Fetch(uploads::validate(&args.rest())?)),
        "uploads.update" => {
            let id = args.required("id")?;
            let guarded = args.has("version");
            return Ok(Route::Fetch(uploads::update(&id, &args.rest(), guarded)?));
        }
        "uploads.resolve" => {
            let id = args.required("id")?;
            return Ok(Route::Fetch(uploads::resolve(&id, &args.rest())?));
        }
        "boards.create" => {
            let account = args.required("account")?;
            return Ok(Route::Fetch(boards::create(&account, &args.rest())?));
        }
        "boards.create_section" => {
            let account = args.required("account")?;
            let board = args.required("board_id")?;
            return Ok(Route::Fetch(boards::create_section(
                &account,
                &board,
                &args.rest(),
            )?));
        }
        "accounts.start_connection" => {
            return Ok(Route::Fetch(accounts::start_connection(&args.rest())?));
        }
        "slots.create" => return Ok(Route::Fetch(slots::create(&args.rest())?)),
        "slots.update" => {
            let id = args.required("id")?;
            return Ok(Route::Fetch(slots::update(&id, &args.rest())?));
        }
        "api_keys.create" => return Ok(Route::Fetch(keys::create(&args.rest())?)),
        "webhooks.create" => return Ok(Route::Fetch(webhooks::create(&args.rest())?)),
        "webhooks.update" => {
            let id = args.required("id")?;
            return Ok(Route::Fetch(webhooks::update(&id, &args.rest())?));
        }

        "uploads.create_many" => {
            let size = args.number("batch_size")?.unwrap_or(batch::ROWS);
            Route::CreateMany(args.objects("uploads")?, size)
        }
        "uploads.get" => Route::Fetch(uploads::get(&args.required("id")?)?),
        "uploads.list" => Route::List(uploads::list(&upload_filter(&mut args)?)),
        "uploads.cancel" => Route::Fetch(uploads::action(&args.required("id")?, "cancel")?),
        "uploads.retry" => Route::Fetch(uploads::action(&args.required("id")?, "retry")?),
        "uploads.wait" => Route::Wait(args.required("id")?),
        "uploads.wait_many" => {
            let ids = args.texts("ids")?;
            Route::WaitMany(ids.ok_or_else(|| args.missing("ids"))?)
        }
        "uploads.watch" => Route::Watch(args.texts("ids")?),
        "uploads.events" => Route::List(uploads::events(&args.required("id")?)?),
        "boards.list" => {
            let account = args.required("account")?;
            let filter = BoardFilter {
                privacy: args.text("privacy")?,
                q: args.text("q")?,
                refresh: args.flag("refresh")?,
            };
            Route::List(boards::list(&account, &filter)?)
        }
        "boards.sections" => {
            let account = args.required("account")?;
            Route::List(boards::sections(&account, &args.required("board_id")?)?)
        }
        "accounts.list" => Route::List(accounts::list()),
        "accounts.get" => Route::Fetch(accounts::get(&args.required("id")?)?),
        "accounts.limits" => Route::Fetch(accounts::limits(&args.required("id")?)?),
        "accounts.disconnect" => Route::Send(accounts::disconnect(&args.required("id")?)?),
        "accounts.connection" => Route::Fetch(accounts::connection(&args.required("id")?)?),
        "accounts.wait_connected" => Route::WaitConnected(args.required("id")?),
        "slots.list" => Route::List(slots::list(args.text("account")?.as_deref())),
        "slots.delete" => Route::Send(slots::delete(&args.required("id")?)?),
        "media.get" => Route::Fetch(media::get(&args.required("id")?)?),
        "media.upload" => Route::Upload(media_input(&mut args)?),
        "api_keys.list" => Route::List(keys::list()),
        "api_keys.revoke" => Route::Send(keys::revoke(&args.required("id")?)?),
        "webhooks.list" => Route::List(webhooks::list()),
        "webhooks.get" => Route::Fetch(webhooks::get(&args.required("id")?)?),
        "webhooks.delete" => Route::Send(webhooks::delete(&args.required("id")?)?),
        "webhooks.test" => Route::Fetch(webhooks::action(&args.required("id")?, "test")?),
        "webhooks.rotate" => Route::Fetch(webhooks::action(&args.required("id")?, "rotate")?),
        "webhooks.deliveries" => Route::List(webhooks::deliveries(&args.required("id")?)?),
        "webhooks.redeliver" => {
            let id = args.required("id")?;
            Route::Fetch(webhooks::redeliver(&id, &args.required("delivery_id")?)?)
        }
        "service.health" => Route::Fetch(service::health()),
        _ => return Err(unknown_operation(name, std::iter::empty())),
    };
    args.finish()?;
    Ok(route)
}

fn upload_filter(args: &mut Args) -> Result<UploadFilter, Error> {
    const STATUSES: [&str; 9] = [
        "draft",
        "scheduled",
        "queued",
        "publishing",
        "published",
        "partial",
        "failed",
        "canceled",
        "missed",
    ];
    let status = match args.text("status")? {
        None => None,
        Some(name) => Some(UploadStatus::from_name(&name).ok_or_else(|| {
            let hint = nearest(&name, STATUSES.into_iter())
                .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            args.wrong("status", &format!("cannot be {name:?}{hint}"))
        })?),
    };
    Ok(UploadFilter {
        status,
        account: args.text("account")?,
        platform: args.text("platform")?,
        external_id: args.text("external_id")?,
        from: args.text("from")?,
        to: args.text("to")?,
        q: args.text("q")?,
        limit: args.number("limit")?,
    })
}

fn media_input(args: &mut Args) -> Result<MediaInput, Error> {
    match (args.text("path")?, args.text("bytes_base64")?) {
        (Some(path), None) => Ok(MediaInput::Path(PathBuf::from(path))),
        (None, Some(text)) => media::from_base64(&text),
        (None, None) => Err(args.missing("path")),
        (Some(_), Some(_)) => Err(args.wrong("path", "and `bytes_base64` exclude each other")),
    }
}
