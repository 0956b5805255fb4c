//! What stands before the picture: sizes, tables, components.

use super::huffman::Table;

/// One of the components (brightness, two of colour).
pub(super) struct Component {
    id: u8,
    /// Blocks across and down in a group of blocks.
    pub(super) across: usize,
    pub(super) down: usize,
    quantizer: usize,
    /// Tables for the mean of a block and for the rest of it.
    pub(super) mean: usize,
    pub(super) rest: usize,
}

/// Everything that is needed to read the picture.
pub(super) struct Frame<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: Vec<Component>,
    quantizers: [Option<[u16; 64]>; 4],
    pub(super) means: [Option<Box<Table>>; 4],
    pub(super) rests: [Option<Box<Table>>; 4],
    /// Groups of blocks between two marks, if there are marks.
    pub(super) restart: Option<u32>,
    /// The picture itself and what follows it.
    pub(super) data: &'a [u8],
}

impl Frame<'_> {
    /// The most blocks across and down that a component has in a group.
    pub(super) fn group(&self) -> (usize, usize) {
        let most = |side: fn(&Component) -> usize| self.components.iter().map(side).max();
        (
            most(|component| component.across).unwrap_or(1),
            most(|component| component.down).unwrap_or(1),
        )
    }

    /// The steps of the frequencies of a component, in the order of the file.
    pub(super) fn quantizer(&self, component: &Component) -> Option<&[u16; 64]> {
        self.quantizers.get(component.quantizer)?.as_ref()
    }
}

/// Reads up to the picture; `None` if it is not an ordinary one.
pub(super) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let mut frame = Frame {
        width: 0,
        height: 0,
        components: Vec::new(),
        quantizers: [None; 4],
        means: [None, None, None, None],
        rests: [None, None, None, None],
        restart: None,
        data: &[],
    };
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
    loop {
        // Filling between segments is rare enough to be left to the full decoder.
        let [0xFF, marker, l1, l0, after @ ..] = rest else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*l1, *l0])).checked_sub(2)?;
        let (segment, after) = after.split_at_checked(length)?;
        match marker {
            0xC0 | 0xC1 if frame.components.is_empty() => size(segment, &mut frame)?,
            0xC0..=0xC3 | 0xC5..=0xCB | 0xCD..=0xCF => return None,
            0xC4 => codes(segment, &mut frame)?,
            0xDB => steps(segment, &mut frame)?,
            0xDD => {
                let groups = u16::from_be_bytes(segment.try_into().ok()?);
                frame.restart = (groups > 0).then_some(u32::from(groups));
            }
            // Adobe's mark tells about other colours than those of JFIF.
            0xEE if segment.starts_with(b"Adobe") && segment.get(11) != Some(&1) => return None,
            0xDA => {
                pass(segment, &mut frame)?;
                frame.data = after;
                return Some(frame);
            }
            _ => {}
        }
        rest = after;
    }
}

fn size(segment: &[u8], frame: &mut Frame<'_>) -> Option<()> {
    let [8, h1, h0, w1, w0, count, components @ ..] = segment else {
        return None;
    };
    frame.width = u16::from_be_bytes([*w1, *w0]).into();
    frame.height = u16::from_be_bytes([*h1, *h0]).into();
    if frame.width == 0 || frame.height == 0 || !matches!(count, 1 | 3) {
        return None;
    }
    for component in components.chunks_exact(3).take(usize::from(*count)) {
        let [id, factors, quantizer] = component else {
            return None;
        };
        let (across, down) = (usize::from(factors >> 4), usize::from(factors & 15));
        if !matches!((across, down), (1 | 2, 1 | 2)) {
            return None;
        }
        frame.components.push(Component {
            id: *id,
            across,
            down,
            quantizer: usize::from(*quantizer),
            mean: 0,
            rest: 0,
        });
    }
    if let [only] = frame.components.as_mut_slice() {
        // Alone, a component has its blocks one by one, whatever it says.
        (only.across, only.down) = (1, 1);
    }
    let ids: Vec<u8> = frame
        .components
        .iter()
        .map(|component| component.id)
        .collect();
    (ids.len() == usize::from(*count) && ids != *b"RGB").then_some(())
}

fn steps(mut segment: &[u8], frame: &mut Frame<'_>) -> Option<()> {
    while let [head, rest @ ..] = segment {
        let mut table = [0; 64];
        let width = match head >> 4 {
            0 => 1,
            1 => 2,
            _ => return None,
        };
        let (values, rest) = rest.split_at_checked(64 * width)?;
        for (step, value) in table.iter_mut().zip(values.chunks_exact(width)) {
            *step = value
                .iter()
                .fold(0, |sum, byte| sum << 8 | u16::from(*byte));
        }
        *frame.quantizers.get_mut(usize::from(head & 15))? = Some(table);
        segment = rest;
    }
    Some(())
}

fn codes(mut segment: &[u8], frame: &mut Frame<'_>) -> Option<()> {
    while let [head, rest @ ..] = segment {
        let (counts, rest) = rest.split_at_checked(16)?;
        let total = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(total)?;
        let tables = match head >> 4 {
            0 => &mut frame.means,
            1 => &mut frame.rests,
            _ => return None,
        };
        *tables.get_mut(usize::from(head & 15))? = Some(Box::new(Table::new(counts, symbols)?));
        segment = rest;
    }
    Some(())
}

/// The header of the only pass: all components, in the order of the frame, all frequencies.
fn pass(segment: &[u8], frame: &mut Frame<'_>) -> Option<()> {
    let [count, rest @ ..] = segment else {
        return None;
    };
    let count = usize::from(*count);
    if count == 0 || count != frame.components.len() || rest.len() != count * 2 + 3 {
        return None;
    }
    for (component, pair) in frame.components.iter_mut().zip(rest.chunks_exact(2)) {
        let [id, tables] = pair else {
            return None;
        };
        if component.id != *id {
            return None;
        }
        component.mean = usize::from(tables >> 4);
        component.rest = usize::from(tables & 15);
    }
    Some(())
}
