use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum Event {
    Renamed { title: String },
    #[diplomatic(type = "todo.renamed")]
    Retitled { title: String },
    HTTPDone,
    HttpDone,
}

fn main() {}
