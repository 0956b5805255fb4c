//! What exists before the first call.

use serde::{Deserialize, Serialize};

/// Users and boards of a new sandbox.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The first one signs in on the consent page; `&user=NAME` in its address picks another.
    pub users: Vec<SeedUser>,
    /// In the order in which lists show them. Their ids are `549755885175000001`, `…002` and so on.
    pub boards: Vec<SeedBoard>,
}

/// A user that exists from the start.
#[derive(Clone, Debug)]
pub struct SeedUser {
    /// A string of digits.
    pub id: String,
    /// Unique.
    pub username: String,
}

/// A board that exists from the start.
#[derive(Clone, Debug)]
pub struct SeedBoard {
    /// Its name.
    pub name: String,
    /// Who sees it.
    pub privacy: Privacy,
    /// User name of the owner.
    pub owner: String,
    /// User names of the others who may pin to it.
    pub collaborators: Vec<String>,
    /// Names of its sections.
    pub sections: Vec<String>,
    /// How many older pins of the owner it holds; they are not in the ledger.
    pub pins: usize,
}

/// Who sees a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Privacy {
    /// Everybody.
    #[default]
    Public,
    /// Reachable by address only; the board for ad-only pins.
    Protected,
    /// Its owner and collaborators; needs the `…_secret` scopes.
    Secret,
}

/// Account id of the user who signs in by default.
pub const USER_ID: &str = "549755885175";
/// Name of the user who signs in by default.
pub const USERNAME: &str = "sandbox_studio";

const OTHER: &str = "sandbox_friends";

/// Names of the public boards; more than one page of 25 together with the three special ones.
const PUBLIC: [&str; 28] = [
    "Kitchen Ideas",
    "Living Room",
    "Small Bathrooms",
    "Garden Paths",
    "Balcony Plants",
    "Autumn Recipes",
    "Quick Dinners",
    "Sourdough",
    "Vegan Lunches",
    "Cakes and Bakes",
    "Wedding Tables",
    "Gift Wrapping",
    "Knitting Patterns",
    "Ceramics",
    "Watercolour",
    "Posters",
    "Typefaces",
    "Logo Sketches",
    "Street Photography",
    "Portrait Light",
    "Weekend Trips",
    "Lisbon",
    "Mountain Huts",
    "Cycling",
    "Home Office",
    "Desk Setups",
    "Children's Rooms",
    "Reading Corners",
];

impl Default for Seed {
    /// One user with 28 public boards (two with sections, the first with three pins), a secret one and an ad-only one
    /// that is protected; and a group board that belongs to somebody else.
    fn default() -> Self {
        let mut boards: Vec<_> = PUBLIC
            .into_iter()
            .map(|name| SeedBoard::new(name, USERNAME))
            .collect();
        boards[0].sections = vec!["Islands".to_owned(), "Open Shelves".to_owned()];
        boards[0].pins = 3;
        boards[5].sections = vec![
            "Soups".to_owned(),
            "Pumpkin".to_owned(),
            "Apples".to_owned(),
        ];
        boards.push(SeedBoard {
            privacy: Privacy::Secret,
            ..SeedBoard::new("Surprise Party", USERNAME)
        });
        boards.push(SeedBoard {
            privacy: Privacy::Protected,
            ..SeedBoard::new("Ad-only Pins", USERNAME)
        });
        boards.push(SeedBoard {
            collaborators: vec![USERNAME.to_owned()],
            pins: 2,
            ..SeedBoard::new("Friends' Cookbook", OTHER)
        });
        Self {
            users: vec![
                SeedUser {
                    id: USER_ID.to_owned(),
                    username: USERNAME.to_owned(),
                },
                SeedUser {
                    id: "549755885176".to_owned(),
                    username: OTHER.to_owned(),
                },
            ],
            boards,
        }
    }
}

impl SeedBoard {
    /// A public, empty board.
    pub fn new(name: &str, owner: &str) -> Self {
        Self {
            name: name.to_owned(),
            privacy: Privacy::Public,
            owner: owner.to_owned(),
            collaborators: Vec::new(),
            sections: Vec::new(),
            pins: 0,
        }
    }
}
