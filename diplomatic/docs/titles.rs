// An aggregate and a projection for the app of the examples in the documentation; they include it in hidden lines.

include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs"));

use std::convert::Infallible;

use diplomatic::projection::{Mark, Page};
use diplomatic::{Aggregate, Projection};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Todo {
    pub title: String,
}

impl Aggregate for Todo {
    type Event = TodoEvent;

    fn apply(todo: &mut Option<Self>, event: TodoEvent, _: &Meta) {
        match event {
            TodoEvent::Added { title } => *todo = Some(Self { title }),
            TodoEvent::Renamed { title, .. } => {
                if let Some(todo) = todo {
                    todo.title = title;
                }
            }
            TodoEvent::Removed { .. } => *todo = None,
        }
    }
}

#[derive(Debug, Default)]
pub struct Titles {
    pub rows: BTreeMap<EntityId, String>,
    mark: Option<Mark>,
}

impl Projection for Titles {
    type Aggregate = Todo;
    type Error = Infallible;

    fn mark(&mut self) -> Result<Option<Mark>, Infallible> {
        Ok(self.mark)
    }

    fn save(&mut self, page: Page<Todo>) -> Result<(), Infallible> {
        if page.is_anew {
            self.rows.clear();
        }
        for (id, todo) in page.rows {
            match todo {
                Some(todo) => drop(self.rows.insert(id, todo.title)),
                None => drop(self.rows.remove(&id)),
            }
        }
        self.mark = Some(page.mark);
        Ok(())
    }
}
