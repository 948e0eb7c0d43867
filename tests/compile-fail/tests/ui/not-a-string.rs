use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = todo, crate = "1 + 1")]
enum Event {
    #[diplomatic(type = 5)]
    Added { title: String },
    #[diplomatic(overwrites = ["list", "day"])]
    Planned { list: String, day: u16 },
    #[diplomatic(overwrites = "list", "day")]
    Moved { list: String, day: u16 },
    #[diplomatic(overwrites())]
    Dropped { list: String },
    #[diplomatic(entity)]
    Put { list: String },
    #[diplomatic(singleton = true)]
    Theme(String),
    #[diplomatic]
    Opened,
    #[diplomatic = "singleton"]
    Closed,
    #[diplomatic(gid: "list")]
    Filed { list: String },
    #[diplomatic(= "list")]
    Sent { list: String },
}

fn main() {}
