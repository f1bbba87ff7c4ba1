//! What the way through a child costs, Tor left out: a child in which everybody answers what they are told,
//! against a socket pair to a task of the same process.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use onion::{
    ArtiSettings, Dial, Discovery, DiscoverySecret, OnionTransport, ServiceKey, Settings, Stage,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, split};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// Bytes sent there and back at a time.
const BULK_BYTES: usize = 16 << 20;

fn transport() -> Box<dyn OnionTransport> {
    let seed = [7; 32];
    let main = ServiceKey::main(&seed);
    let settings = Settings {
        own_secret: DiscoverySecret::of(&seed, &main.address()),
        main,
        strangers: None,
        discovery: Discovery::Open,
        port: 9898,
        check_every: Duration::from_secs(300),
        streams_max: 16,
    };
    let program = env!("CARGO_BIN_EXE_onion-echo-child").into();
    onion::arti(settings, ArtiSettings { program, ..ArtiSettings::default() })
}

fn somebody() -> Dial {
    let address = ServiceKey::main(&[1; 32]).address();
    Dial { address, port: 80, group: "bench".into(), secret: None }
}

async fn round_trip(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(&[1; 64]).await.expect("written");
    let mut answer = [0; 64];
    stream.read_exact(&mut answer).await.expect("answered");
}

async fn there_and_back(
    stream: impl AsyncRead + AsyncWrite + Unpin,
) -> impl AsyncRead + AsyncWrite + Unpin {
    let (mut from, mut to) = split(stream);
    let bytes = vec![7; BULK_BYTES];
    let sending = async { to.write_all(&bytes).await.expect("written") };
    let receiving = async {
        let mut piece = vec![0; 1 << 16];
        let mut left = BULK_BYTES;
        while left > 0 {
            let most = left.min(piece.len());
            left -= from.read(&mut piece[..most]).await.expect("read");
        }
    };
    tokio::join!(sending, receiving);
    from.unsplit(to)
}

/// The same echo at the other end of a socket pair, with nothing in between.
fn direct() -> UnixStream {
    let (near, far) = UnixStream::pair().expect("a socket pair");
    tokio::spawn(async move {
        let (mut from, mut to) = split(far);
        copy(&mut from, &mut to).await
    });
    near
}

fn benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let transport = runtime.block_on(async {
        let transport = transport();
        let mut status = transport.status();
        let reachable = status.wait_for(|status| status.stage == Stage::Reachable);
        reachable.await.map(drop).expect("reachable");
        transport
    });

    let mut group = criterion.benchmark_group("stream opened");
    group.bench_function("by a child", |bencher| {
        bencher.iter(|| runtime.block_on(transport.dial(somebody())).expect("dialled"));
    });
    group.finish();

    let mut group = criterion.benchmark_group("round trip of 64 bytes");
    let mut stream = runtime.block_on(transport.dial(somebody())).expect("dialled");
    group.bench_function("by a child", |bencher| {
        bencher.iter(|| runtime.block_on(round_trip(&mut stream)));
    });
    let mut stream = runtime.block_on(async { direct() });
    group.bench_function("socket pair", |bencher| {
        bencher.iter(|| runtime.block_on(round_trip(&mut stream)));
    });
    group.finish();

    let mut group = criterion.benchmark_group("16 MiB there and back");
    group.throughput(Throughput::Bytes(2 * BULK_BYTES as u64)).sample_size(10);
    let mut by = |name: &str, open: &dyn Fn() -> Box<dyn Both>| {
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut stream = open();
                let began = Instant::now();
                for _ in 0..rounds {
                    stream = runtime.block_on(async {
                        Box::new(there_and_back(stream).await) as Box<dyn Both>
                    });
                }
                began.elapsed()
            });
        });
    };
    by("by a child", &|| Box::new(runtime.block_on(transport.dial(somebody())).expect("dialled")));
    by("socket pair", &|| Box::new(runtime.block_on(async { direct() })));
    group.finish();
}

trait Both: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Both for S {}

criterion_group!(child_hop, benches);
criterion_main!(child_hop);
