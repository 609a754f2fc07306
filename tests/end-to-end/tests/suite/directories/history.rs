//! Random changes of a directory; the same for the same seed, and each possible when it is made.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use end_to_end::{DirectoryAdmin, SeededRandom};
use model::Anchor;
use serde_json::Value;

use super::server::{TestServer, tolerate};

/// The group that is the scope; the others may be nested in it.
pub const SCOPE_GROUP: &str = "Workplace";
/// Groups, the scope included.
const GROUPS: usize = 7;
/// Users at the start.
const USERS: usize = 20;
/// Users at most.
const MOST_USERS: usize = 30;

/// Beginnings of names, with umlauts and with characters that a DN must escape.
const NAMES: [&str; 8] =
    ["Ada", "Jürgen Groß", r"Doe\, Jo", "Łukasz", r"Research \+ Co", "O'Neil", r"\#1 Ünal", r"Back\\slash"];

/// Expected content of the directory.
pub struct RandomCompany {
    kind: TestServer,
    users: Vec<CompanyUser>,
    groups: Vec<CompanyGroup>,
    units: Vec<CompanyUnit>,
    /// Mail addresses of deleted users.
    free_mails: Vec<String>,
    /// Anchors of all entries that ever existed.
    pub anchors: Vec<Anchor>,
    counter: usize,
}

struct CompanyUser {
    id: usize,
    name: String,
    place: UserLocation,
    mail: Option<String>,
    /// All addresses that the user ever had, in lower case.
    mails: BTreeSet<String>,
    enabled: bool,
    primary: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum UserLocation {
    Unit(usize),
    Outside,
}

struct CompanyGroup {
    /// `None` while it is deleted.
    name: Option<String>,
    members: BTreeSet<CompanyMember>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CompanyMember {
    User(usize),
    Group(usize),
}

struct CompanyUnit {
    name: String,
    above: Option<usize>,
}

impl RandomCompany {
    /// Creates the company in an empty directory.
    pub fn create(kind: TestServer, admin: &DirectoryAdmin, random: &mut SeededRandom) -> Result<Self> {
        kind.prepare(admin)?;
        let unit = |name: &str, above| CompanyUnit { name: name.to_owned(), above };
        let units = vec![
            unit("Engineering", None),
            unit(r"Tools\, Tests", Some(0)),
            unit("Qualität", Some(1)),
            unit("Sales", None),
        ];
        let group = |_| CompanyGroup { name: None, members: BTreeSet::new() };
        let groups = (0..GROUPS).map(group).collect();
        let mut company = Self {
            kind,
            users: Vec::new(),
            groups,
            units,
            free_mails: Vec::new(),
            anchors: Vec::new(),
            counter: 0,
        };
        for unit in 0..company.units.len() {
            admin.add(&company.unit_dn(unit), [("objectClass", "organizationalUnit")])?;
        }
        for group in 0..GROUPS {
            company.add_group(group, admin)?;
        }
        for (parent, child) in [(0, 1), (0, 2), (1, 3), (3, 4)] {
            company.put_in(parent, CompanyMember::Group(child), admin)?;
        }
        for _ in 0..USERS {
            company.add_user(None, random, admin)?;
        }
        Ok(company)
    }

    /// Makes one change and describes it.
    pub fn change(&mut self, random: &mut SeededRandom, admin: &DirectoryAdmin) -> Result<String> {
        loop {
            let chosen = random.below(100);
            if let Some(what) = self.try_change(chosen, random, admin)? {
                return Ok(what);
            }
        }
    }

    /// Differences between these accounts and the expected ones.
    ///
    /// An active account belongs to an enabled user in scope, under a current or former address of that user: a user
    /// without an address, or with a refused one, keeps the old name. Each such user has an account, unless another
    /// user ever had the address, or an inactive account has it.
    pub fn wrong_accounts(&self, accounts: &BTreeMap<String, Value>) -> Vec<String> {
        let is_active = |account: &Value| account["active"] == Value::Bool(true);
        let active: BTreeSet<String> =
            accounts.iter().filter(|(_, account)| is_active(account)).map(|(name, _)| name.clone()).collect();
        let mut groups = BTreeSet::from([0]);
        let mut new = vec![0];
        while let Some(group) = new.pop() {
            for member in &self.groups[group].members {
                if let CompanyMember::Group(child) = member
                    && groups.insert(*child)
                {
                    new.push(*child);
                }
            }
        }
        let is_member = |user: &&CompanyUser| {
            let named = groups
                .iter()
                .any(|group| self.groups[*group].members.contains(&CompanyMember::User(user.id)));
            named || user.primary.is_some_and(|primary| groups.contains(&primary))
        };
        let here = self.users.iter().filter(|user| user.enabled && user.place != UserLocation::Outside);
        let in_scope: Vec<&CompanyUser> = here.filter(is_member).collect();
        let is_expected = |name: &&String| in_scope.iter().any(|user| user.mails.contains(*name));
        let unfounded: Vec<&String> = active.iter().filter(|name| !is_expected(name)).collect();
        // A user who took over an account and can't get the new name, because an inactive account has it, keeps the
        // predecessor's name.
        let successors = in_scope.iter().filter(|user| user.mails.is_disjoint(&active)).count();
        let mut wrong: Vec<String> = Vec::new();
        if unfounded.len() > successors {
            wrong.push(format!("not all of {unfounded:?} should be active"));
        }
        let mut missing: Vec<String> = Vec::new();
        for user in in_scope {
            let Some(mail) = user.mail.as_ref().map(|mail| mail.to_lowercase()) else { continue };
            let others = self.users.iter().filter(|other| other.id != user.id);
            let is_contested = others.into_iter().any(|other| other.mails.contains(&mail));
            // The display name never changes, so it identifies the account's user.
            let is_taken = accounts.get(&mail).is_some_and(|account| {
                !is_active(account) && account["displayName"] != format!("user{}", user.id)
            });
            if user.mails.is_disjoint(&active) && !is_contested && !is_taken {
                missing.push(format!("{mail} should be active"));
            }
        }
        // Such a successor has one of the unexplained accounts.
        if missing.len() > unfounded.len() {
            wrong.extend(missing);
        }
        wrong
    }

    #[expect(clippy::too_many_lines, reason = "a table of changes with their weights")]
    fn try_change(
        &mut self,
        chosen: usize,
        random: &mut SeededRandom,
        admin: &DirectoryAdmin,
    ) -> Result<Option<String>> {
        if self.users.is_empty() {
            return self.add_user(None, random, admin).map(Some);
        }
        let user = random.below(self.users.len());
        let dn = self.user_dn(&self.users[user]);
        let any_group = random.below(GROUPS);
        let other_group = 1 + random.below(GROUPS - 1);
        Ok(match chosen {
            0..8 if self.users.len() < MOST_USERS => Some(self.add_user(None, random, admin)?),
            8..18 => {
                let title = random.below(20).to_string();
                let values: &[&str] = if random.chance(20) { &[] } else { &[&title] };
                admin.set(&dn, "title", values)?;
                Some(format!("title of {dn}: {values:?}"))
            }
            18..22 => {
                admin.set(&dn, "description", &[&random.below(1000).to_string()])?;
                Some(format!("description of {dn}"))
            }
            22..25 => Some(self.change_mail(user, random, admin)?),
            25..27 => self.swap_mails(user, random, admin)?,
            27..33 => {
                let name = self.new_name(random);
                let now = admin.rename(&dn, &self.kind.user_rdn(&name))?;
                self.users[user].name = name;
                Some(format!("{dn} renamed to {now}"))
            }
            33..41 => self.move_user(user, random, admin)?,
            41..48 => {
                let enabled = !self.users[user].enabled;
                self.kind.set_enabled(admin, &dn, enabled)?;
                self.users[user].enabled = enabled;
                Some(format!("{dn} enabled: {enabled}"))
            }
            48..54 => Some(self.delete_user(user, admin)?),
            54..57 => {
                // The same user is recreated at once: another entry with the same name and address.
                let mail = self.users[user].mail.clone();
                let deleted = self.delete_user(user, admin)?;
                self.free_mails.retain(|free| Some(free) != mail.as_ref());
                Some(format!("{deleted}; {}", self.add_user(mail, random, admin)?))
            }
            57..60 => match self.free_mails.pop() {
                Some(mail) => Some(self.add_user(Some(mail), random, admin)?),
                None => None,
            },
            60..68 => self.join(any_group, user, admin)?,
            68..74 => self.leave(any_group, admin, random)?,
            74..79 => self.nest(any_group, other_group, admin)?,
            79..83 => self.unnest(any_group, other_group, admin)?,
            83..86 => self.rename_group(other_group, random, admin)?,
            86..88 => self.delete_group(other_group, admin)?,
            88..91 => self.recreate_group((other_group, any_group), user, admin)?,
            91..93 => self.rename_unit(random, admin)?,
            93..97 => {
                let manager = self.user_dn(&self.users[random.below(self.users.len())]);
                let values: &[&str] = if random.chance(20) { &[] } else { &[&manager] };
                admin.set(&dn, "manager", values)?;
                Some(format!("manager of {dn}: {values:?}"))
            }
            97..99 => self.choose_primary(any_group, user, admin)?,
            _ => {
                // A change and its reversal.
                let group = self.group_dn(0).unwrap_or_default();
                let renamed = admin.rename(&group, "CN=Interim")?;
                admin.rename(&renamed, &format!("CN={SCOPE_GROUP}"))?;
                Some(format!("{group} renamed and back"))
            }
        })
    }

    fn add_user(
        &mut self,
        mail: Option<String>,
        random: &mut SeededRandom,
        admin: &DirectoryAdmin,
    ) -> Result<String> {
        let name = self.new_name(random);
        let id = self.counter;
        let account = format!("user{id}");
        let mail = mail.unwrap_or_else(|| format!("Mail{id}@acme.test"));
        let place = match random.below(self.units.len() + 1) {
            unit if unit < self.units.len() => UserLocation::Unit(unit),
            _ => UserLocation::Outside,
        };
        let mails = BTreeSet::from([mail.to_lowercase()]);
        let user =
            CompanyUser { id, name, place, mail: Some(mail.clone()), mails, enabled: true, primary: None };
        let dn = self.user_dn(&user);
        let title = random.below(20).to_string();
        let text = [
            ("mail", mail.as_str()),
            ("givenName", "Given"),
            ("sn", account.as_str()),
            ("displayName", account.as_str()),
            ("title", title.as_str()),
        ];
        admin.add_all(&[(dn.clone(), self.kind.user(&account, &text))])?;
        self.anchors.push(self.kind.anchor(admin, &dn)?);
        self.users.push(user);
        let mut what = format!("{dn} added as {mail}");
        if random.chance(70) {
            let group = random.below(GROUPS);
            if let Some(joined) = self.join(group, self.users.len() - 1, admin)? {
                what = format!("{what}; {joined}");
            }
        }
        Ok(what)
    }

    fn delete_user(&mut self, user: usize, admin: &DirectoryAdmin) -> Result<String> {
        let gone = self.users.swap_remove(user);
        let dn = self.user_dn(&gone);
        admin.delete(&dn)?;
        for group in &mut self.groups {
            group.members.remove(&CompanyMember::User(gone.id));
        }
        self.free_mails.extend(gone.mail);
        Ok(format!("{dn} deleted"))
    }

    fn change_mail(
        &mut self,
        user: usize,
        random: &mut SeededRandom,
        admin: &DirectoryAdmin,
    ) -> Result<String> {
        self.counter += 1;
        let mail = (!random.chance(30)).then(|| format!("mail{}@acme.test", self.counter));
        let dn = self.user_dn(&self.users[user]);
        let values: Vec<&str> = mail.as_deref().into_iter().collect();
        admin.set(&dn, "mail", &values)?;
        let what = format!("mail of {dn}: {values:?}");
        self.users[user].mails.extend(mail.as_ref().map(|mail| mail.to_lowercase()));
        self.users[user].mail = mail;
        Ok(what)
    }

    fn swap_mails(
        &mut self,
        one: usize,
        random: &mut SeededRandom,
        admin: &DirectoryAdmin,
    ) -> Result<Option<String>> {
        let other = random.below(self.users.len());
        if one == other {
            return Ok(None);
        }
        let mails = [self.users[other].mail.clone(), self.users[one].mail.clone()];
        let mut what = String::from("mails swapped:");
        for (user, mail) in [one, other].into_iter().zip(mails) {
            let dn = self.user_dn(&self.users[user]);
            admin.set(&dn, "mail", &mail.as_deref().into_iter().collect::<Vec<_>>())?;
            what = format!("{what} {dn} has {mail:?}");
            self.users[user].mails.extend(mail.as_ref().map(|mail| mail.to_lowercase()));
            self.users[user].mail = mail;
        }
        Ok(Some(what))
    }

    fn move_user(
        &mut self,
        user: usize,
        random: &mut SeededRandom,
        admin: &DirectoryAdmin,
    ) -> Result<Option<String>> {
        let place = if random.chance(30) {
            UserLocation::Outside
        } else {
            UserLocation::Unit(random.below(self.units.len()))
        };
        if self.users[user].place == place {
            return Ok(None);
        }
        let dn = self.user_dn(&self.users[user]);
        let now = admin.move_to(&dn, &self.place_dn(place))?;
        self.users[user].place = place;
        Ok(Some(format!("{dn} moved to {now}")))
    }

    fn join(&mut self, group: usize, user: usize, admin: &DirectoryAdmin) -> Result<Option<String>> {
        let user = &self.users[user];
        // A primary group does not list its users, and refuses a second membership.
        if user.primary == Some(group) || self.groups[group].members.contains(&CompanyMember::User(user.id)) {
            return Ok(None);
        }
        self.put_in(group, CompanyMember::User(user.id), admin)
    }

    fn leave(
        &mut self,
        group: usize,
        admin: &DirectoryAdmin,
        random: &mut SeededRandom,
    ) -> Result<Option<String>> {
        let members: Vec<CompanyMember> = self.groups[group].members.iter().copied().collect();
        let users: Vec<CompanyMember> =
            members.into_iter().filter(|member| matches!(member, CompanyMember::User(_))).collect();
        if users.is_empty() { Ok(None) } else { self.take_out(group, random.pick(&users), admin) }
    }

    fn nest(&mut self, parent: usize, child: usize, admin: &DirectoryAdmin) -> Result<Option<String>> {
        if parent == child || self.groups[parent].members.contains(&CompanyMember::Group(child)) {
            return Ok(None);
        }
        self.put_in(parent, CompanyMember::Group(child), admin)
    }

    fn unnest(&mut self, parent: usize, child: usize, admin: &DirectoryAdmin) -> Result<Option<String>> {
        if !self.groups[parent].members.contains(&CompanyMember::Group(child)) {
            return Ok(None);
        }
        self.take_out(parent, CompanyMember::Group(child), admin)
    }

    fn put_in(
        &mut self,
        group: usize,
        member: CompanyMember,
        admin: &DirectoryAdmin,
    ) -> Result<Option<String>> {
        let (Some(group_dn), Some(dn)) = (self.group_dn(group), self.member_dn(member)) else {
            return Ok(None);
        };
        tolerate(admin.add_member(&group_dn, &dn))?;
        self.groups[group].members.insert(member);
        Ok(Some(format!("{dn} into {group_dn}")))
    }

    fn take_out(
        &mut self,
        group: usize,
        member: CompanyMember,
        admin: &DirectoryAdmin,
    ) -> Result<Option<String>> {
        let (Some(group_dn), Some(dn)) = (self.group_dn(group), self.member_dn(member)) else {
            return Ok(None);
        };
        tolerate(admin.remove_member(&group_dn, &dn))?;
        self.groups[group].members.remove(&member);
        Ok(Some(format!("{dn} out of {group_dn}")))
    }

    fn add_group(&mut self, group: usize, admin: &DirectoryAdmin) -> Result<String> {
        self.counter += 1;
        let name = match group {
            0 => SCOPE_GROUP.to_owned(),
            _ => format!("Team {group}"),
        };
        let dn = self.kind.group(&name);
        admin.add_all(&[(dn.clone(), self.kind.new_group(&format!("group{}", self.counter)))])?;
        self.groups[group] = CompanyGroup { name: Some(name), members: BTreeSet::new() };
        Ok(dn)
    }

    fn rename_group(
        &mut self,
        group: usize,
        random: &mut SeededRandom,
        admin: &DirectoryAdmin,
    ) -> Result<Option<String>> {
        let Some(dn) = self.group_dn(group) else { return Ok(None) };
        let name = self.new_name(random);
        let now = admin.rename(&dn, &format!("CN={name}"))?;
        self.groups[group].name = Some(name);
        Ok(Some(format!("{dn} renamed to {now}")))
    }

    fn delete_group(&mut self, group: usize, admin: &DirectoryAdmin) -> Result<Option<String>> {
        // A primary group can't be deleted.
        if self.users.iter().any(|user| user.primary == Some(group)) {
            return Ok(None);
        }
        let Some(dn) = self.group_dn(group) else { return Ok(None) };
        admin.delete(&dn)?;
        self.groups[group] = CompanyGroup { name: None, members: BTreeSet::new() };
        for parent in &mut self.groups {
            parent.members.remove(&CompanyMember::Group(group));
        }
        Ok(Some(format!("{dn} deleted")))
    }

    fn recreate_group(
        &mut self,
        (group, parent): (usize, usize),
        user: usize,
        admin: &DirectoryAdmin,
    ) -> Result<Option<String>> {
        if self.groups[group].name.is_some() || parent == group {
            return Ok(None);
        }
        let dn = self.add_group(group, admin)?;
        let joined = self.join(group, user, admin)?.unwrap_or_default();
        let nested = self.put_in(parent, CompanyMember::Group(group), admin)?.unwrap_or_default();
        Ok(Some(format!("{dn} added; {joined}; {nested}")))
    }

    fn rename_unit(&mut self, random: &mut SeededRandom, admin: &DirectoryAdmin) -> Result<Option<String>> {
        let unit = random.below(self.units.len());
        let dn = self.unit_dn(unit);
        let name = self.new_name(random);
        let now = admin.rename(&dn, &self.kind.unit_rdn(&name))?;
        self.units[unit].name = name;
        Ok(Some(format!("{dn} renamed to {now}")))
    }

    /// Sets a user's primary group, which does not list the user as a member. Only Active Directory has primary
    /// groups.
    fn choose_primary(
        &mut self,
        group: usize,
        user: usize,
        admin: &DirectoryAdmin,
    ) -> Result<Option<String>> {
        let (id, primary) = (self.users[user].id, self.users[user].primary);
        let is_member = self.groups[group].members.contains(&CompanyMember::User(id));
        let (TestServer::Samba, true, Some(group_dn)) = (self.kind, is_member, self.group_dn(group)) else {
            return Ok(None);
        };
        let dn = self.user_dn(&self.users[user]);
        self.kind.set_primary_group(admin, &dn, &group_dn)?;
        // The server turns the old primary group into an ordinary membership.
        if let Some(old) = primary {
            self.groups[old].members.insert(CompanyMember::User(id));
        }
        self.groups[group].members.remove(&CompanyMember::User(id));
        self.users[user].primary = Some(group);
        Ok(Some(format!("primary group of {dn}: {group_dn}")))
    }

    fn new_name(&mut self, random: &mut SeededRandom) -> String {
        self.counter += 1;
        format!("{} {}", random.pick(&NAMES), self.counter)
    }

    fn user_dn(&self, user: &CompanyUser) -> String {
        format!("{},{}", self.kind.user_rdn(&user.name), self.place_dn(user.place))
    }

    fn place_dn(&self, place: UserLocation) -> String {
        match place {
            UserLocation::Unit(unit) => self.unit_dn(unit),
            UserLocation::Outside => self.kind.outside(),
        }
    }

    fn unit_dn(&self, unit: usize) -> String {
        let CompanyUnit { name, above } = &self.units[unit];
        let parent = above.map_or_else(|| self.kind.base(), |above| self.unit_dn(above));
        self.kind.unit(name, &parent)
    }

    fn group_dn(&self, group: usize) -> Option<String> {
        self.groups[group].name.as_deref().map(|name| self.kind.group(name))
    }

    fn member_dn(&self, member: CompanyMember) -> Option<String> {
        match member {
            CompanyMember::User(id) => {
                self.users.iter().find(|user| user.id == id).map(|user| self.user_dn(user))
            }
            CompanyMember::Group(group) => self.group_dn(group),
        }
    }
}
