//! What the samples say: medians over rounds, and ratios.
//!
//! A ratio is taken within each round and then the median of those: what slows a whole round down does not touch it.

use serde::Serialize;

use crate::cores::Cores;
use crate::record::{Record, Table, plain};
use crate::requests::Sample;
use crate::run::Samples;
use crate::stats::Spread;
use crate::table;
use crate::work::{Side, Start, Work};

/// The table.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) loads: Vec<LoadRow>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) groups: Vec<Group>,
    /// The largest part of the machine's CPU time that others used during a measurement, or that was stolen from the
    /// machine; more than a few hundredths and the figures are worth little.
    pub(crate) disturbance_max: f64,
}

/// A table of its own.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) table: &'static Table,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The row that this one is compared with, perhaps itself.
    pub(crate) base: String,
    /// One for each column.
    pub(crate) cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    pub(crate) value: Spread,
    /// To the row that this one is compared with.
    pub(crate) ratio: Option<Spread>,
}

/// One side under one load.
#[derive(Debug, Serialize)]
pub(crate) struct LoadRow {
    pub(crate) work: Work,
    pub(crate) side: Side,
    pub(crate) connections: usize,
    pub(crate) requests_per_s: Spread,
    pub(crate) cpu_us_per_request: Spread,
    pub(crate) p50_us: Spread,
    pub(crate) p99_us: Spread,
    pub(crate) p999_us: Spread,
    /// To the native side under the same load.
    pub(crate) requests_ratio: Option<Spread>,
    pub(crate) cpu_ratio: Option<Spread>,
    pub(crate) p50_ratio: Option<Spread>,
    /// How much of its cores the server used. Under full load it should be all; where it is not, the client or
    /// waiting was the limit.
    pub(crate) server_busy: Spread,
    pub(crate) client_busy: Spread,
}

/// A figure that is no load.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) value: Spread,
    /// To the native side.
    pub(crate) ratio: Option<Spread>,
}

pub(crate) fn report(samples: &Samples, connections: &[usize], cores: &Cores, disturbance_max: f64) -> Report {
    let view = View { samples, cores };
    let mut loads = Vec::new();
    for &connections in connections {
        for work in Work::ALL {
            for side in Side::ALL {
                loads.extend(view.load_row(work, side, connections));
            }
        }
    }
    let mut figures = Vec::new();
    figures.extend(Side::ALL.into_iter().filter_map(|side| view.sequence(side)));
    for &connections in connections {
        for side in Side::ALL {
            figures.extend(view.inner_call(side, connections));
        }
    }
    for &connections in connections {
        figures.extend(view.instance_start(connections));
    }
    figures.extend(view.starts());
    let mut records = Vec::new();
    for &connections in connections {
        records.extend(view.against_wasmtime(connections));
    }
    records.extend(samples.records.iter().cloned());
    Report { loads, figures, groups: groups(&records), disturbance_max }
}

/// Tables and their rows in the order in which they were measured first; those that are compared with each other stand
/// together.
fn groups(records: &[Record]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for record in records {
        let group = match groups.iter().position(|group| group.table == record.table) {
            Some(position) => groups.get_mut(position),
            None => {
                groups.push(Group { table: record.table, rows: Vec::new() });
                groups.last_mut()
            }
        };
        if let Some(group) = group
            && !group.rows.iter().any(|row| row.name == record.row)
        {
            let base = record.base.clone().unwrap_or_else(|| record.row.clone());
            let row = Row { name: record.row.clone(), cells: cells(records, record), base };
            let together = group.rows.iter().rposition(|other| other.base == row.base);
            group.rows.insert(together.map_or(group.rows.len(), |position| position + 1), row);
        }
    }
    groups
}

/// What all rounds say of the row of this record.
fn cells(records: &[Record], record: &Record) -> Vec<Cell> {
    let of = |name: &str| {
        let of_table = records.iter().filter(|other| other.table == record.table);
        of_table.filter(|other| other.row == name).collect::<Vec<_>>()
    };
    let rows = of(&record.row);
    let bases = record.base.as_deref().map(of).unwrap_or_default();
    let cell = |column: usize| {
        let value = |record: &Record| record.values.get(column).copied();
        let ratios = rows.iter().filter_map(|row| {
            let base = bases.iter().find(|base| base.round == row.round)?;
            Some(value(row)? / value(base)?)
        });
        let compared = record.table.columns.get(column).is_some_and(|column| column.compared);
        Some(Cell {
            value: Spread::of(rows.iter().filter_map(|row| value(row)))?,
            ratio: if compared { Spread::of(ratios) } else { None },
        })
    };
    (0..record.values.len()).filter_map(cell).collect()
}

static WASMTIME: Table = Table {
    title: "GET to one service, as a part of what `wasmtime serve` does with the same source",
    of: "",
    columns: &[plain("requests/s"), plain("CPU time"), plain("p50")],
};

struct View<'a> {
    samples: &'a Samples,
    cores: &'a Cores,
}

impl View<'_> {
    fn loads(&self, work: Work, side: Side, connections: usize) -> impl Iterator<Item = &Sample> {
        self.samples
            .loads
            .iter()
            .filter(move |sample| sample.work == work && sample.side == side && sample.connections == connections)
    }

    /// A figure of each round, made from two samples of that round.
    fn pairs(
        &self,
        (work, side): (Work, Side),
        (other_work, other_side): (Work, Side),
        connections: usize,
        figure: impl Fn(&Sample, &Sample) -> f64,
    ) -> Vec<f64> {
        self.loads(work, side, connections)
            .filter_map(|sample| {
                let mut others = self.loads(other_work, other_side, connections);
                let other = others.find(|other| other.round == sample.round)?;
                Some(figure(sample, other))
            })
            .collect()
    }

    fn load_row(&self, work: Work, side: Side, connections: usize) -> Option<LoadRow> {
        let spread = |figure: fn(&Sample) -> f64| Spread::of(self.loads(work, side, connections).map(figure));
        // Native servers have no instances: a fresh one is compared with what does the same without.
        let ratio = |figure: fn(&Sample) -> f64| {
            let native = (work.native(), Side::Native);
            Spread::of(self.pairs((work, side), native, connections, |sample, native| figure(sample) / figure(native)))
        };
        let busy = |figure: fn(&Sample) -> f64, cores: usize| {
            let busy = self.loads(work, side, connections).map(|sample| figure(sample) / sample.seconds / cores as f64);
            Spread::of(busy)
        };
        Some(LoadRow {
            work,
            side,
            connections,
            requests_per_s: spread(Sample::rate)?,
            cpu_us_per_request: spread(Sample::cpu_us)?,
            p50_us: spread(|sample| sample.latency_us.p50)?,
            p99_us: spread(|sample| sample.latency_us.p99)?,
            p999_us: spread(|sample| sample.latency_us.p999)?,
            requests_ratio: ratio(Sample::rate),
            cpu_ratio: ratio(Sample::cpu_us),
            p50_ratio: ratio(|sample| sample.latency_us.p50),
            server_busy: busy(|sample| sample.cpu_s.server, self.cores.server_count())?,
            client_busy: busy(|sample| sample.client_busy_s, self.cores.client_count())?,
        })
    }

    /// Our doors, and a component of WASI 0.2 in our host, as parts of what `wasmtime serve` does in the same round.
    fn against_wasmtime(&self, connections: usize) -> Vec<Record> {
        let pairs = [
            (Work::Hello, Side::Lean, Work::Hello),
            (Work::Hello, Side::Standard, Work::Hello),
            (Work::FreshP2, Side::Standard, Work::FreshP2),
        ];
        let mut records = Vec::new();
        for (work, side, theirs) in pairs {
            let row = format!("{}, {}", table::name(side, work), table::plural(connections));
            let of = |figure: fn(&Sample) -> f64| {
                self.pairs((work, side), (theirs, Side::Wasmtime), connections, |our, their| {
                    figure(our) / figure(their)
                })
            };
            let ratios = of(Sample::rate).into_iter().zip(of(Sample::cpu_us)).zip(of(|sample| sample.latency_us.p50));
            for (round, ((rate, cpu), p50)) in ratios.enumerate() {
                records.push(Record::new(round, &WASMTIME, row.as_str(), &[rate, cpu, p50]));
            }
        }
        records
    }

    fn sequence(&self, side: Side) -> Option<Figure> {
        let of = |side| {
            let sequences = self.samples.sequences.iter();
            sequences.filter(move |sample| sample.side == side)
        };
        let ratios = of(side).filter_map(|sample| {
            let native = of(Side::Native).find(|native| native.round == sample.round)?;
            Some(sample.mean_us / native.mean_us)
        });
        Some(Figure {
            group: "Unary gRPC calls from inside a service, one after another, per call",
            name: side.name().to_owned(),
            unit: "µs",
            value: Spread::of(of(side).map(|sample| sample.mean_us))?,
            ratio: Spread::of(ratios),
        })
    }

    /// What the request that makes a gRPC call costs more than the one that makes none: in latency where only one is
    /// under way, in CPU time where there are many.
    fn inner_call(&self, side: Side, connections: usize) -> Option<Figure> {
        let (unit, name, figure): (_, _, fn(&Sample) -> f64) = match connections {
            1 => ("µs", "p50 at 1 connection", |sample| sample.latency_us.p50),
            _ => ("µs of CPU", "under load", Sample::cpu_us),
        };
        let added = |side| {
            let (via, hello) = ((Work::Via, side), (Work::Hello, side));
            self.pairs(via, hello, connections, |via, hello| figure(via) - figure(hello))
        };
        let values = added(side);
        // Each side has one value a round, in the order of the rounds.
        let ratios = values.iter().zip(added(Side::Native));
        let ratios: Vec<f64> = ratios.map(|(value, native)| value / native).collect();
        Some(Figure {
            group: "What the inner call adds to a request",
            name: format!("{}, {name}", side.name()),
            unit,
            value: Spread::of(values)?,
            ratio: Spread::of(ratios),
        })
    }

    fn instance_start(&self, connections: usize) -> Option<Figure> {
        let (unit, name, figure): (_, _, fn(&Sample) -> f64) = match connections {
            1 => ("µs", "p50 at 1 connection", |sample| sample.latency_us.p50),
            _ => ("µs of CPU", "under load", Sample::cpu_us),
        };
        let fresh = (Work::Fresh, Side::Lean);
        let warm = (Work::Hello, Side::Lean);
        let values = self.pairs(fresh, warm, connections, |fresh, warm| figure(fresh) - figure(warm));
        Some(Figure {
            group: "What a fresh instance adds to a request, lean door",
            name: name.to_owned(),
            unit,
            value: Spread::of(values)?,
            ratio: None,
        })
    }

    fn starts(&self) -> Vec<Figure> {
        let times = |start| {
            let starts = self.samples.starts.iter();
            starts.filter(move |sample| sample.start == start).map(|sample| sample.ms)
        };
        let figure = |group, name: &str, value| Figure { group, name: name.to_owned(), unit: "ms", value, ratio: None };
        let mut figures = Vec::new();
        for start in Start::ALL {
            let group = "From the start of the process to the end of its first response";
            figures.extend(Spread::of(times(start)).map(|value| figure(group, start.name(), value)));
        }
        let medians = |start| Spread::of(times(start)).map(|spread| spread.median);
        let group = "Of which";
        let mut difference = |name, from, to| {
            // The extremes of two kinds of starts have nothing to do with each other: only medians are subtracted.
            if let (Some(from), Some(to)) = (medians(from), medians(to)) {
                figures.extend(Spread::of([from - to]).map(|value| figure(group, name, value)));
            }
        };
        difference("compiling the module", Start::Cold, Start::Cached);
        difference("loading it from the cache", Start::Cached, Start::Empty);
        figures
    }
}
