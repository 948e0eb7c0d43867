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
    #[diplomatic(type = "dip.chunk")]
    Piece { who: String },
    // Only the four names are taken.
    Witnessed { who: String },
}

fn main() {}
