//! The safeguard on mass changes: which plans of a scan are released, and which wait for an approval.
//!
//! Each effect of a plan is counted. A plan is held if more plans of the scan have one of its effects than the limit allows.
//! That is known only at the end of the read, so a plan with a limited effect is kept until then. Plans without one, such as
//! creations, are released at once. Removals have a separate safeguard.

use std::collections::BTreeMap;

use model::{Fingerprint, HeldChanges, HeldEffect, LimitedEffect};

use crate::SafetyLimits;

/// Limits on the effects of one scan.
#[derive(Clone, Debug)]
pub struct EffectLimits {
    /// The configured limits.
    pub safety: SafetyLimits,
    /// Fingerprint of the configuration.
    pub configuration: Fingerprint,
    /// Users that the last scan saw.
    pub users: u64,
    /// The valid approval. It is a ceiling for each of its effects.
    pub approved: Option<HeldChanges>,
}

/// Whether a read accounts for every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectCounts {
    /// All effects were counted.
    All,
    /// The read was incomplete, so there may be more effects than were counted.
    AtLeast,
}

/// Counts the effects of the plans of one scan, and keeps plans until they can be judged.
#[derive(Debug)]
pub struct EffectSafeguard<T> {
    limits: EffectLimits,
    counts: BTreeMap<LimitedEffect, u64>,
    kept: Vec<(T, Vec<LimitedEffect>)>,
}

/// A verdict on plans.
#[derive(Debug)]
pub struct EffectVerdict<T> {
    /// Plans to be written.
    pub released: Vec<T>,
    /// Plans that wait for an approval.
    pub held: Vec<HeldPlan<T>>,
}

/// A plan that waits for an approval.
#[derive(Clone, Debug)]
pub struct HeldPlan<T> {
    /// The plan.
    pub plan: T,
    /// Its effects above their limits.
    pub by: Vec<LimitedEffect>,
}

#[derive(Clone, Copy)]
enum EffectLimit {
    /// All plans with the effect are released if they are no more than this, else none of them.
    AllUpTo(u64),
    /// An administrator has approved this number; the plans up to it are released.
    Approved(u64),
}

impl<T> Default for EffectVerdict<T> {
    fn default() -> Self {
        Self { released: Vec::new(), held: Vec::new() }
    }
}

impl EffectLimits {
    fn limit(&self, effect: &LimitedEffect) -> EffectLimit {
        let limit = self.safety.effect_limit(effect, self.users);
        let approved = self.approved.as_ref().map(|approved| approved.count(effect));
        match approved.filter(|count| *count > limit) {
            Some(count) => EffectLimit::Approved(count),
            None => EffectLimit::AllUpTo(limit),
        }
    }

    /// The plans with this effect that are released at most.
    fn most(&self, effect: &LimitedEffect) -> u64 {
        match self.limit(effect) {
            EffectLimit::AllUpTo(most) | EffectLimit::Approved(most) => most,
        }
    }

    fn is_approved(&self, effect: &LimitedEffect) -> bool {
        matches!(self.limit(effect), EffectLimit::Approved(_))
    }
}

impl<T> EffectSafeguard<T> {
    /// A safeguard that has counted nothing yet.
    pub fn new(limits: EffectLimits) -> Self {
        Self { limits, counts: BTreeMap::new(), kept: Vec::new() }
    }

    /// Judges a plan with these effects. A plan that is kept until the end of the read is not in the verdict.
    pub fn judge(&mut self, plan: T, effects: Vec<LimitedEffect>) -> EffectVerdict<T> {
        let mut verdict = EffectVerdict::default();
        let by = self.count(&effects);
        if !by.is_empty() {
            // Plans that were kept for the same effect are held too.
            verdict.held = self.take_exceeded(&by);
            verdict.held.push(HeldPlan { plan, by });
        } else if effects.iter().all(|effect| self.limits.is_approved(effect)) {
            verdict.released.push(plan);
        } else {
            self.kept.push((plan, effects));
        }
        verdict
    }

    /// Judges plans that are all known. Yields the effects by which each is held; none for a released plan.
    pub fn judge_together(&mut self, plans: &[Vec<LimitedEffect>]) -> Vec<Vec<LimitedEffect>> {
        let by_order: Vec<Vec<LimitedEffect>> = plans.iter().map(|effects| self.count(effects)).collect();
        let by_total = plans.iter().zip(by_order);
        by_total
            .map(|(effects, by)| {
                let is_held = |effect: &&LimitedEffect| by.contains(effect) || self.holds_all(effect);
                effects.iter().filter(is_held).cloned().collect()
            })
            .collect()
    }

    /// Takes kept plans back. Their effects don't count any more.
    pub fn withdraw(&mut self, is_withdrawn: impl Fn(&T) -> bool) {
        let (withdrawn, kept) =
            std::mem::take(&mut self.kept).into_iter().partition(|(plan, _)| is_withdrawn(plan));
        self.kept = kept;
        let withdrawn: Vec<(T, Vec<LimitedEffect>)> = withdrawn;
        for effect in withdrawn.iter().flat_map(|(_, effects)| effects) {
            if let Some(count) = self.counts.get_mut(effect) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// The verdict on the kept plans once the read has ended, and what waits for an approval.
    ///
    /// After an incomplete read the updates under a changed configuration are held, because their number is unknown.
    pub fn finish(mut self, counts: EffectCounts) -> (EffectVerdict<T>, Option<HeldChanges>) {
        let exceeded: Vec<LimitedEffect> = self.counts.keys().cloned().collect();
        let mut verdict = EffectVerdict { held: self.take_exceeded(&exceeded), released: Vec::new() };
        let update = LimitedEffect::ConfiguredUpdate;
        let is_uncounted = counts == EffectCounts::AtLeast && !self.limits.is_approved(&update);
        for (plan, effects) in std::mem::take(&mut self.kept) {
            if is_uncounted && effects.contains(&update) {
                verdict.held.push(HeldPlan { plan, by: vec![update.clone()] });
            } else {
                verdict.released.push(plan);
            }
        }
        let Self { limits, counts, .. } = self;
        let EffectLimits { safety, configuration, users, .. } = &limits;
        let above = counts.into_iter().filter(|(effect, count)| *count > limits.most(effect));
        let above = above.map(|(effect, count)| {
            let limit = safety.effect_limit(&effect, *users);
            HeldEffect { effect, count, limit }
        });
        let changes = HeldChanges::of(*configuration, *users, above.collect());
        (verdict, changes)
    }

    /// Counts effects; yields those above their limits.
    fn count(&mut self, effects: &[LimitedEffect]) -> Vec<LimitedEffect> {
        for effect in effects {
            match self.counts.get_mut(effect) {
                Some(count) => *count = count.saturating_add(1),
                None => drop(self.counts.insert(effect.clone(), 1)),
            }
        }
        let is_above = |effect: &&LimitedEffect| self.counted(effect) > self.limits.most(effect);
        effects.iter().filter(is_above).cloned().collect()
    }

    fn counted(&self, effect: &LimitedEffect) -> u64 {
        self.counts.get(effect).copied().unwrap_or_default()
    }

    /// Whether no plan with this effect is released.
    fn holds_all(&self, effect: &LimitedEffect) -> bool {
        matches!(self.limits.limit(effect), EffectLimit::AllUpTo(most) if self.counted(effect) > most)
    }

    /// Takes the kept plans that have one of these effects and are not released because of it.
    fn take_exceeded(&mut self, effects: &[LimitedEffect]) -> Vec<HeldPlan<T>> {
        let exceeded: Vec<&LimitedEffect> = effects.iter().filter(|effect| self.holds_all(effect)).collect();
        if exceeded.is_empty() || self.kept.is_empty() {
            return Vec::new();
        }
        let mut held = Vec::new();
        let mut kept = Vec::new();
        for (plan, effects) in std::mem::take(&mut self.kept) {
            let by: Vec<LimitedEffect> =
                effects.iter().filter(|effect| exceeded.contains(effect)).cloned().collect();
            if by.is_empty() {
                kept.push((plan, effects));
            } else {
                held.push(HeldPlan { plan, by });
            }
        }
        self.kept = kept;
        held
    }
}

#[cfg(test)]
mod tests;
