//! Delivery of SQS messages to a function, as by Lambda's event source mapping.

use std::{
    collections::BTreeSet,
    num::NonZeroU64,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName},
};

use crate::{
    LambdaFunction,
    background::BackgroundRuntime,
    queue_depth::{QueueDepth, queue_depth},
    sqs_event::{self, EventSource},
};

/// Wait for a message in one call.
const POLL_SECONDS: i32 = 1;
/// Most messages in one call, and thus the largest batch without a batching window.
const LARGEST_BATCH: i32 = 10;
/// Messages that a worker receives before it reverses them.
const MAX_REVERSED: usize = 100;

/// Options of a [`SqsDelivery`].
#[derive(Clone)]
pub struct SqsDeliveryOptions {
    /// The queue.
    pub queue_url: String,
    /// Configuration of the client.
    pub sdk_config: SdkConfig,
    /// Receiver of the messages.
    pub function: LambdaFunction,
    /// Messages in one event, 1 to 10. A deployment has one unless `users-per-invocation` says otherwise.
    pub batch_size: i32,
    /// Concurrent events.
    pub concurrency: usize,
    /// Time until a failed message is visible again, unless the function changes it.
    pub visibility_timeout_seconds: i32,
    /// Whether the answer names the failed messages. Otherwise any answer but an error means success.
    pub report_batch_item_failures: bool,
    /// Injected faults.
    pub faults: QueueFaults,
}

/// Faults that a queue may show at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueFaults {
    /// Every event is delivered twice, in turn concurrently and one after the other. A message is deleted when either
    /// delivery succeeds.
    pub deliver_twice: bool,
    /// Each worker receives up to a hundred messages and delivers the last one first.
    pub reverse_order: bool,
    /// The answer to every n-th invocation is lost; its effects remain.
    pub drop_every_nth_answer: Option<NonZeroU64>,
}

/// Counts of a [`SqsDelivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Invocations.
    pub invocations: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Messages that failed, for any reason.
    pub failed: u64,
    /// Invocations that ended with an error.
    pub errors: u64,
    /// Answers lost by a fault.
    pub dropped: u64,
}

/// A running event source mapping. On drop, events in flight are abandoned and their messages return.
///
/// The queue's redrive policy moves messages to the dead-letter queue, as in SQS when they would be received once
/// more.
pub struct SqsDelivery {
    background: BackgroundRuntime,
    mapping: Arc<DeliveryState>,
}

struct DeliveryState {
    client: Client,
    source: EventSource,
    options: SqsDeliveryOptions,
    stopping: AtomicBool,
    active_workers: AtomicU64,
    events: AtomicU64,
    counts: DeliveryCounters,
    last_error: Mutex<Option<String>>,
}

#[derive(Default)]
struct DeliveryCounters {
    invocations: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    errors: AtomicU64,
    dropped: AtomicU64,
}

impl SqsDeliveryOptions {
    /// Batches of ten, two at a time, a visibility timeout of 30 seconds, no faults.
    pub fn new(queue_url: &str, sdk_config: SdkConfig, function: LambdaFunction) -> Self {
        Self {
            queue_url: queue_url.to_owned(),
            sdk_config,
            function,
            batch_size: 1,
            concurrency: 2,
            visibility_timeout_seconds: 30,
            report_batch_item_failures: true,
            faults: QueueFaults::default(),
        }
    }
}

impl SqsDelivery {
    /// Starts the delivery.
    pub fn start(options: SqsDeliveryOptions) -> anyhow::Result<Self> {
        let background = BackgroundRuntime::start("delivery")?;
        let region = options.sdk_config.region().map(ToString::to_string).unwrap_or_default();
        let mapping = Arc::new(DeliveryState {
            client: Client::new(&options.sdk_config),
            source: EventSource::of(&region, &options.queue_url),
            stopping: AtomicBool::new(false),
            active_workers: AtomicU64::new(0),
            events: AtomicU64::new(0),
            counts: DeliveryCounters::default(),
            last_error: Mutex::default(),
            options,
        });
        for _ in 0..mapping.options.concurrency {
            mapping.active_workers.fetch_add(1, Ordering::SeqCst);
            let mapping = Arc::clone(&mapping);
            background.spawn(async move {
                mapping.run_worker().await;
                mapping.active_workers.fetch_sub(1, Ordering::SeqCst);
            });
        }
        Ok(Self { background, mapping })
    }

    /// Waits until the queue is empty: no visible, in-flight or delayed message.
    pub fn drain(&self, limit: Duration) -> anyhow::Result<()> {
        let mapping = Arc::clone(&self.mapping);
        self.background.wait_for(async move {
            let start = Instant::now();
            // The counts are not taken at one instant, so a returning message may be in none of them.
            let mut empty = 0;
            loop {
                let depth = mapping.depth().await?;
                empty = if depth.total() == 0 { empty + 1 } else { 0 };
                if empty == 2 {
                    return Ok(());
                }
                if start.elapsed() > limit {
                    let (counters, error) = (mapping.counts.read(), mapping.last_error());
                    bail!("the queue isn't empty after {limit:?}: {depth:?}, {counters:?}, last error: {error:?}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    }

    /// Stops receiving, and waits for the events in flight.
    pub fn stop(self) -> anyhow::Result<DeliveryCounts> {
        self.mapping.stopping.store(true, Ordering::SeqCst);
        let mapping = Arc::clone(&self.mapping);
        self.background.wait_for(async move {
            while mapping.active_workers.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(mapping.counts.read())
        })
    }

    /// Counts until now.
    pub fn counters(&self) -> DeliveryCounts {
        self.mapping.counts.read()
    }

    /// Last error of the function or the queue.
    pub fn last_error(&self) -> Option<String> {
        self.mapping.last_error()
    }
}

impl DeliveryState {
    /// One worker: receives messages and delivers them, one event after the other.
    async fn run_worker(&self) {
        let batch_size = usize::try_from(self.batch_size()).unwrap_or(1);
        while !self.stopping.load(Ordering::SeqCst) {
            match self.take().await {
                Ok(messages) => {
                    for batch in messages.chunks(batch_size) {
                        self.deliver(batch).await;
                    }
                }
                // Lambda continues to poll after an error.
                Err(error) => {
                    self.record_error(&error);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn take(&self) -> anyhow::Result<Vec<Message>> {
        let mut messages = self.receive(POLL_SECONDS).await?;
        if self.options.faults.reverse_order {
            let mut more = !messages.is_empty();
            while more && messages.len() < MAX_REVERSED {
                let next = self.receive(0).await?;
                more = !next.is_empty();
                messages.extend(next);
            }
            messages.reverse();
        }
        Ok(messages)
    }

    async fn receive(&self, wait_seconds: i32) -> anyhow::Result<Vec<Message>> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.options.queue_url)
            .max_number_of_messages(self.batch_size())
            .visibility_timeout(self.options.visibility_timeout_seconds)
            .wait_time_seconds(wait_seconds)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await?;
        Ok(received.messages.unwrap_or_default())
    }

    fn batch_size(&self) -> i32 {
        self.options.batch_size.clamp(1, LARGEST_BATCH)
    }

    async fn deliver(&self, batch: &[Message]) {
        let failed = match self.events.fetch_add(1, Ordering::Relaxed) {
            _ if !self.options.faults.deliver_twice => self.invoke(batch).await,
            event if event % 2 == 0 => {
                let (one, other) = futures::join!(self.invoke(batch), self.invoke(batch));
                &one & &other
            }
            _ => {
                let one = self.invoke(batch).await;
                &one & &self.invoke(batch).await
            }
        };
        let done = batch.iter().filter(|message| !failed.contains(id(message)));
        let entries = done.enumerate().filter_map(|(index, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.set_receipt_handle(message.receipt_handle.clone()).build().ok()
        });
        let entries: Vec<_> = entries.collect();
        if !entries.is_empty() {
            let delete = self.client.delete_message_batch().queue_url(&self.options.queue_url);
            // A message that can't be deleted returns, which functions must tolerate.
            let _ = delete.set_entries(Some(entries)).send().await;
        }
    }

    /// Invokes the function, and returns the ids of the failed messages.
    async fn invoke(&self, batch: &[Message]) -> BTreeSet<String> {
        let number = self.counts.invocations.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = self.options.function.invoke(sqs_event::event(&self.source, batch)).await;
        let all: BTreeSet<String> = batch.iter().map(|message| id(message).to_owned()).collect();
        let is_lost = |nth: NonZeroU64| number % nth == 0;
        let failed = match answer {
            _ if self.options.faults.drop_every_nth_answer.is_some_and(is_lost) => {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                all
            }
            Err(error) => {
                self.record_error(&error);
                self.counts.errors.fetch_add(1, Ordering::Relaxed);
                all
            }
            Ok(answer) if self.options.report_batch_item_failures => {
                sqs_event::failed_messages(&answer, &all)
            }
            Ok(_) => BTreeSet::new(),
        };
        self.counts.delivered.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.counts.failed.fetch_add(failed.len() as u64, Ordering::Relaxed);
        failed
    }

    fn record_error(&self, error: &anyhow::Error) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
    }

    fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn depth(&self) -> anyhow::Result<QueueDepth> {
        queue_depth(&self.client, &self.options.queue_url).await
    }
}

impl DeliveryCounters {
    fn read(&self) -> DeliveryCounts {
        let Self { invocations, delivered, failed, errors, dropped } = self;
        let [invocations, delivered, failed, errors, dropped] =
            [invocations, delivered, failed, errors, dropped].map(|count| count.load(Ordering::Relaxed));
        DeliveryCounts { invocations, delivered, failed, errors, dropped }
    }
}

fn id(message: &Message) -> &str {
    message.message_id.as_deref().unwrap_or_default()
}
