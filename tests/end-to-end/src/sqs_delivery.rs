//! SQS messages to a function, as Lambda's event source mapping delivers them.

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

/// How long one call waits for a message.
const POLL_SECONDS: i32 = 1;
/// As many as SQS gives in one call, and thus the largest batch without a batching window.
const LARGEST_BATCH: i32 = 10;
/// How many messages a worker takes ahead to turn them round.
const AHEAD: usize = 100;

/// What a [`SqsDelivery`] does.
#[derive(Clone)]
pub struct SqsDeliveryOptions {
    /// The queue.
    pub queue_url: String,
    /// How to reach it.
    pub sdk_config: SdkConfig,
    /// Who gets the messages.
    pub function: LambdaFunction,
    /// How many messages one event holds at most: 1 to 10.
    pub batch_size: i32,
    /// How many events are under way at the same time.
    pub concurrency: usize,
    /// When a message that failed comes back, unless the function said otherwise.
    pub visibility_timeout_seconds: i32,
    /// Whether the function's answer names the messages that failed. If not, any answer but an error means that none did.
    pub report_batch_item_failures: bool,
    /// What goes wrong on purpose.
    pub faults: QueueFaults,
}

/// What a queue may do at any time and does when a test needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueFaults {
    /// Every event goes out twice: one time both at once, the next time one after the other. A message goes when either
    /// succeeded, as SQS deletes it for whoever asks first.
    pub deliver_twice: bool,
    /// Each worker takes up to a hundred messages and delivers the last first.
    pub reverse_order: bool,
    /// The answer to every so many-th invocation is lost, and what it did stays done.
    pub drop_every_nth_answer: Option<NonZeroU64>,
}

/// What a [`SqsDelivery`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Calls of the function.
    pub invocations: u64,
    /// Messages in those calls.
    pub delivered: u64,
    /// Messages in those calls that failed, for whatever reason.
    pub failed: u64,
    /// Calls that ended with an error instead of an answer.
    pub errors: u64,
    /// Answers that were lost on purpose.
    pub dropped: u64,
}

/// A running event source mapping. It ends on drop: what is under way then is given up, and comes back in its time.
///
/// Messages that were received too often go to the dead-letter queue by the queue's own policy, and like in SQS that
/// happens when they would be received once more.
pub struct SqsDelivery {
    background: BackgroundRuntime,
    mapping: Arc<DeliveryState>,
}

struct DeliveryState {
    client: Client,
    source: EventSource,
    options: SqsDeliveryOptions,
    stopping: AtomicBool,
    at_work: AtomicU64,
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
    /// Batches of ten, two at a time, half a minute until a failed message comes back, no faults.
    pub fn new(queue_url: &str, sdk_config: SdkConfig, function: LambdaFunction) -> Self {
        Self {
            queue_url: queue_url.to_owned(),
            sdk_config,
            function,
            batch_size: LARGEST_BATCH,
            concurrency: 2,
            visibility_timeout_seconds: 30,
            report_batch_item_failures: true,
            faults: QueueFaults::default(),
        }
    }
}

impl SqsDelivery {
    /// Starts to deliver.
    pub fn start(options: SqsDeliveryOptions) -> anyhow::Result<Self> {
        let background = BackgroundRuntime::start("delivery")?;
        let region = options.sdk_config.region().map(ToString::to_string).unwrap_or_default();
        let mapping = Arc::new(DeliveryState {
            client: Client::new(&options.sdk_config),
            source: EventSource::of(&region, &options.queue_url),
            stopping: AtomicBool::new(false),
            at_work: AtomicU64::new(0),
            events: AtomicU64::new(0),
            counts: DeliveryCounters::default(),
            last_error: Mutex::default(),
            options,
        });
        for _ in 0..mapping.options.concurrency {
            mapping.at_work.fetch_add(1, Ordering::SeqCst);
            let mapping = Arc::clone(&mapping);
            background.spawn(async move {
                mapping.work().await;
                mapping.at_work.fetch_sub(1, Ordering::SeqCst);
            });
        }
        Ok(Self { background, mapping })
    }

    /// Waits until the queue holds nothing, neither visible nor in flight nor delayed.
    pub fn drain(&self, limit: Duration) -> anyhow::Result<()> {
        let mapping = Arc::clone(&self.mapping);
        self.background.wait_for(async move {
            let start = Instant::now();
            // The numbers aren't taken at one instant, so a message that just comes back can be in none of them.
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

    /// Takes no more messages and waits until those that it has are done with.
    pub fn stop(self) -> anyhow::Result<DeliveryCounts> {
        self.mapping.stopping.store(true, Ordering::SeqCst);
        let mapping = Arc::clone(&self.mapping);
        self.background.wait_for(async move {
            while mapping.at_work.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(mapping.counts.read())
        })
    }

    /// What it has done so far.
    pub fn counters(&self) -> DeliveryCounts {
        self.mapping.counts.read()
    }

    /// The last error of the function, or of the queue.
    pub fn last_error(&self) -> Option<String> {
        self.mapping.last_error()
    }
}

impl DeliveryState {
    /// One worker: takes messages and delivers them, one event after the other.
    async fn work(&self) {
        let batch_size = usize::try_from(self.batch_size()).unwrap_or(1);
        while !self.stopping.load(Ordering::SeqCst) {
            match self.take().await {
                Ok(messages) => {
                    for batch in messages.chunks(batch_size) {
                        self.deliver(batch).await;
                    }
                }
                // Lambda polls on, whatever the queue says.
                Err(error) => {
                    self.keep(&error);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn take(&self) -> anyhow::Result<Vec<Message>> {
        let mut messages = self.receive(POLL_SECONDS).await?;
        if self.options.faults.reverse_order {
            let mut more = !messages.is_empty();
            while more && messages.len() < AHEAD {
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
            // A message that can't be deleted comes again, which its function has to stand anyway.
            let _ = delete.set_entries(Some(entries)).send().await;
        }
    }

    /// Calls the function, and says which messages failed.
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
                self.keep(&error);
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

    fn keep(&self, error: &anyhow::Error) {
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
