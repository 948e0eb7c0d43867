use diplomatic::DiplomaticEvent;

#[derive(DiplomaticEvent)]
enum Event<'a, T, const N: usize>
where
    T: Clone,
{
    Added { title: &'a str, extra: [T; N] },
}

fn main() {}
