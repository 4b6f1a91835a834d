//! A maximum bipartite matching of people to seats, grown by augmenting paths (Kuhn 1955; Berge 1957). Seats are bits of one word.

/// A matching of people, by their number, to seats.
#[derive(Debug, Clone)]
pub(super) struct Matching {
    /// Who holds which seat.
    holder: [Option<usize>; 64],
    /// The seats there are.
    seats: u64,
    /// The seats that nobody holds.
    free: u64,
}

/// The places of the bits that are set, from the lowest on.
pub(super) fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (word != 0).then(|| {
            let bit = word.trailing_zeros() as usize;
            word &= word.wrapping_sub(1);
            bit
        })
    })
}

impl Matching {
    /// Matches people in their order. `may[p]` is the set of seats that person `p` may take. Who has a seat keeps one, so those
    /// who come first are preferred: among all maximum matchings it seats the set of people that is first in this order.
    pub(super) fn of(may: &[u64], seats: u64) -> Self {
        let mut matching = Self { holder: [None; 64], seats, free: seats };
        for person in 0..may.len() {
            if matching.free == 0 {
                break;
            }
            let mut tried = 0;
            matching.seat(person, may, &mut tried);
        }
        matching
    }

    /// Gives `person` a seat, moving others to another seat of theirs where that helps. It goes no deeper than there are seats.
    fn seat(&mut self, person: usize, may: &[u64], tried: &mut u64) -> bool {
        let open = may.get(person).copied().unwrap_or(0) & self.seats;
        for seat in bits(open) {
            if *tried & (1 << seat) != 0 {
                continue;
            }
            *tried |= 1 << seat;
            let given = match self.holder.get(seat).copied().flatten() {
                None => true,
                Some(other) => self.seat(other, may, tried),
            };
            if given {
                if let Some(place) = self.holder.get_mut(seat) {
                    *place = Some(person);
                }
                self.free &= !(1 << seat);
                return true;
            }
        }
        false
    }

    /// Whether every seat is taken.
    pub(super) const fn is_full(&self) -> bool {
        self.free == 0
    }

    /// Who holds the seat.
    pub(super) fn holder(&self, seat: usize) -> Option<usize> {
        self.holder.get(seat).copied().flatten()
    }

    /// The seat of a person.
    pub(super) fn seat_of(&self, person: usize) -> Option<usize> {
        bits(self.seats & !self.free).find(|seat| self.holder(*seat) == Some(person))
    }

    /// Seats that could be freed for somebody new: those nobody holds, and those whose holder could move to one of these.
    pub(super) fn to_be_had(&self, may: &[u64]) -> u64 {
        let mut had = self.free;
        loop {
            let before = had;
            for seat in bits(self.seats & !had) {
                let moves = self.holder(seat).and_then(|p| may.get(p)).copied().unwrap_or(0);
                if moves & had != 0 {
                    had |= 1 << seat;
                }
            }
            if had == before {
                return had;
            }
        }
    }

    /// Seats whose holder could give them up without a loss: somebody without a seat may take them, at once or by others moving.
    pub(super) fn to_be_spared(&self, may: &[u64]) -> u64 {
        let seated: Vec<usize> = bits(self.seats & !self.free).filter_map(|seat| self.holder(seat)).collect();
        let mut spared = 0;
        for (person, seats) in may.iter().enumerate() {
            if *seats & self.seats & !spared != 0 && !seated.contains(&person) {
                spared |= *seats & self.seats;
            }
        }
        loop {
            let before = spared;
            for seat in bits(spared) {
                spared |= self.holder(seat).and_then(|p| may.get(p)).copied().unwrap_or(0) & self.seats;
            }
            if spared == before {
                return spared;
            }
        }
    }

    /// What a matching that is not full runs into (Hall 1935): seats for which fewer people are there than seats. From a seat
    /// that is free: all who may take it, the seats they hold, all who may take those, and so on.
    pub(super) fn violator(&self, may: &[u64]) -> Option<u64> {
        let start = self.free & self.free.wrapping_neg();
        if start == 0 {
            return None;
        }
        let mut seats = start;
        loop {
            let before = seats;
            for seat in bits(self.seats & !self.free) {
                let could = self.holder(seat).and_then(|p| may.get(p)).copied().unwrap_or(0);
                if could & seats != 0 {
                    seats |= 1 << seat;
                }
            }
            if seats == before {
                return Some(seats);
            }
        }
    }
}
