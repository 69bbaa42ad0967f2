//! What the samples say: medians over rounds, and ratios.
//!
//! A ratio is taken within each round and then the median of those: what slows a whole round down does not touch it.

use serde::Serialize;

use crate::cores::Cores;
use crate::run::{Sample, Samples};
use crate::stats::Spread;
use crate::work::{Side, Start, Work};

/// The table.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) loads: Vec<LoadRow>,
    pub(crate) figures: Vec<Figure>,
    /// The largest part of the machine's CPU time that others used during a measurement, or that was stolen from the
    /// machine; more than a few hundredths and the figures are worth little.
    pub(crate) disturbance_max: f64,
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

pub(crate) fn report(samples: &Samples, connections: &[usize], cores: &Cores) -> Report {
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
    Report {
        loads,
        figures,
        disturbance_max: samples.loads.iter().map(|sample| sample.disturbance).fold(0.0, f64::max),
    }
}

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
        let native = match work {
            Work::Hello | Work::Fresh => Work::Hello,
            Work::Via => Work::Via,
        };
        let ratio = |figure: fn(&Sample) -> f64| {
            let ratios = self.pairs((work, side), (native, Side::Native), connections, |sample, native| {
                figure(sample) / figure(native)
            });
            Spread::of(ratios)
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
            client_busy: busy(|sample| sample.cpu_s.client, self.cores.client_count())?,
        })
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
