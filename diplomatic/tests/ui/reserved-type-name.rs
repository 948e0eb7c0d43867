use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "dip")]
enum Court {
    #[diplomatic(overwrites = "who")]
    Witness { who: String },
    #[diplomatic(was = "dip.want")]
    Sought { who: String },
    #[diplomatic(type = "dip.witness.heard")]
    Heard { who: String },
    // Only the two names are taken.
    Witnessed { who: String },
}

fn main() {}
