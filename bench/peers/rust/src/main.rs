//! Measures deadpool as told on standard input, a line at a time. Its threads are tasks on tokio's multi-threaded
//! runtime with a worker for each core, as in programs that use it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::hint::black_box;
use std::io::BufRead;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, Pool, PoolError, RecycleResult, Timeouts};
use tokio::runtime::Runtime;

/// What is held for less is held by a loop: no timer is that exact.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// In a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Counter {
    uses: u64,
}

struct Counters;

impl Manager for Counters {
    type Type = Counter;
    type Error = Infallible;

    async fn create(&self) -> Result<Counter, Infallible> {
        Ok(Counter::default())
    }

    async fn recycle(&self, _: &mut Counter, _: &Metrics) -> RecycleResult<Infallible> {
        Ok(())
    }
}

type CounterPool = Pool<Counters>;

/// The phases of one request, in this order.
const WARM_UP: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

fn use_it(counter: &mut Counter) {
    counter.uses = black_box(counter.uses + 1);
}

async fn repeat(pool: &CounterPool, phase: &AtomicU8, until: u8) -> u64 {
    let mut operations = 0;
    while phase.load(Ordering::Relaxed) == until {
        use_it(&mut *pool.get().await.unwrap());
        operations += 1;
    }
    operations
}

async fn hold_for(length: Duration) {
    if length >= SHORTEST_SLEEP {
        tokio::time::sleep(length).await;
        return;
    }
    let since = Instant::now();
    while since.elapsed() < length {}
}

struct Peer {
    runtime: Runtime,
    pools: HashMap<usize, CounterPool>,
}

impl Peer {
    fn new() -> Peer {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_time()
            .build()
            .unwrap();
        Peer { runtime, pools: HashMap::new() }
    }

    /// Made once, with all its objects.
    fn pool_of(&mut self, places: usize) -> CounterPool {
        let runtime = &self.runtime;
        let made = self.pools.entry(places).or_insert_with(|| {
            let pool: CounterPool = Pool::builder(Counters)
                .max_size(places)
                .runtime(deadpool::Runtime::Tokio1)
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut taken = Vec::new();
                while taken.len() < places {
                    taken.push(pool.get().await.unwrap());
                }
            });
            pool
        });
        made.clone()
    }

    fn operations(&mut self, places: usize, threads: usize, warm_up: Duration, length: Duration) -> String {
        let pool = self.pool_of(places);
        let phase = Arc::new(AtomicU8::new(WARM_UP));
        let tasks: Vec<_> = (0..threads)
            .map(|_| {
                let (pool, phase) = (pool.clone(), phase.clone());
                self.runtime.spawn(async move {
                    repeat(&pool, &phase, WARM_UP).await;
                    repeat(&pool, &phase, MEASURED).await
                })
            })
            .collect();
        std::thread::sleep(warm_up);
        let begin = Instant::now();
        phase.store(MEASURED, Ordering::Relaxed);
        std::thread::sleep(length);
        phase.store(OVER, Ordering::Relaxed);
        let counts: Vec<u64> = tasks.into_iter().map(|task| self.runtime.block_on(task).unwrap()).collect();
        format!("ops {}", of_turn(begin.elapsed(), &counts))
    }

    fn hold(&mut self, places: usize, threads: usize, each: Duration, length: Duration) -> String {
        let pool = self.pool_of(places);
        let begin = Instant::now();
        let tasks: Vec<_> = (0..threads)
            .map(|_| {
                let pool = pool.clone();
                self.runtime.spawn(async move {
                    let (mut count, mut held) = (0, Duration::ZERO);
                    while begin.elapsed() < length {
                        let mut counter = pool.get().await.unwrap();
                        let since = Instant::now();
                        hold_for(each).await;
                        use_it(&mut counter);
                        held += since.elapsed();
                        count += 1;
                    }
                    (count, held)
                })
            })
            .collect();
        let (counts, held): (Vec<u64>, Vec<Duration>) =
            tasks.into_iter().map(|task| self.runtime.block_on(task).unwrap()).unzip();
        let wall = begin.elapsed();
        let sum: Duration = held.iter().sum();
        format!("hold {} held_ns={}", of_turn(wall, &counts), sum.as_nanos())
    }

    fn lateness(&mut self, places: usize, time_out: Duration, times: usize) -> String {
        let pool = self.pool_of(places);
        // In a task, where its users wait: block_on would be a thread that is woken by another.
        let waiter = self.runtime.spawn(async move {
            let mut taken = Vec::new();
            while taken.len() < places {
                taken.push(pool.get().await.unwrap());
            }
            let patience = Timeouts { wait: Some(time_out), create: None, recycle: None };
            let mut late = Vec::new();
            while late.len() < times {
                let begin = Instant::now();
                let result = pool.timeout_get(&patience).await;
                let waited = begin.elapsed();
                assert!(matches!(result, Err(PoolError::Timeout(_))));
                late.push(waited.as_nanos() as i64 - time_out.as_nanos() as i64);
            }
            late
        });
        format!("timeout late_ns={}", joined(&self.runtime.block_on(waiter).unwrap()))
    }

    fn answer(&mut self, request: &str) -> String {
        let mut words = request.split(' ');
        let what = words.next().unwrap_or_default();
        let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
        let size = |i: usize| numbers[i] as usize;
        let ms = |i: usize| Duration::from_millis(numbers[i]);
        let us = |i: usize| Duration::from_micros(numbers[i]);
        match (what, numbers.len()) {
            ("about", 0) => format!("about deadpool-{} Rust", version()),
            ("ops", 4) => self.operations(size(0), size(1), ms(2), ms(3)),
            ("hold", 4) => self.hold(size(0), size(1), us(2), ms(3)),
            ("timeout", 3) => self.lateness(size(0), ms(1), size(2)),
            _ => format!("error cannot do: {request}"),
        }
    }
}

/// Of the deadpool that Cargo has locked.
fn version() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let after_name = lock.split("name = \"deadpool\"\nversion = \"").nth(1).unwrap_or_default();
    after_name.split('"').next().unwrap_or_default()
}

fn joined<T: Display>(numbers: &[T]) -> String {
    numbers.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

fn of_turn(wall: Duration, counts: &[u64]) -> String {
    format!("wall_ns={} operations={}", wall.as_nanos(), joined(counts))
}

fn main() {
    let mut peer = Peer::new();
    for request in std::io::stdin().lock().lines() {
        println!("{}", peer.answer(&request.unwrap()));
    }
}
