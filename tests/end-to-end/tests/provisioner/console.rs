//! The console: what a person sees of it in a real browser, and what nobody else sees.

mod browser;
mod speed;
mod strangers;

use std::path::PathBuf;

use end_to_end::{Console, Person, Slapd};
use simulator::{Effect, Fault};

use crate::world::{World, staff};

/// What a directory may hold in a name.
const SCRIPT: &str = "<script>document.title='taken over'</script>";

/// A company of twelve of whom four are held and two are refused by the target, the first and the third. Nobody's title may
/// be shown.
struct Site {
    world: World<Slapd>,
    people: Vec<Person>,
}

impl Site {
    fn start() -> Self {
        let people = staff(12);
        let world = World::of(&people).configured(|it| {
            it.safety = "max_removals = 3\nmax_removal_percent = 100".to_owned();
            it.mapping =
                it.mapping.replace("title = \"title\"", "title = { from = \"title\", masked = true }");
        });
        world.set(&people[1], "cn", &[SCRIPT]);
        world.set(&people[0], "mail", &[&format!("{SCRIPT}@acme.test")]);
        world.workplace.inject(Fault::always(Effect::status(400)).method("POST").user(&people[2].mail));
        world.settle(3);
        people[4..8].iter().for_each(|person| world.leave(person));
        world.settle(4);
        Self { world, people }
    }

    fn state(&self) -> PathBuf {
        self.world.dir.file("corp.state")
    }

    fn console(&self, options: &[&str]) -> Console {
        console(&self.world, options)
    }

    /// Until when the held removals are approved.
    fn approved_until(&self) -> Option<i64> {
        let waiting = self.world.run(&["approve", "--json"]).json().unwrap();
        waiting["waiting"][0]["approved_until"].as_i64()
    }
}

/// Starts a console for this world.
fn console(world: &World<Slapd>, options: &[&str]) -> Console {
    let arguments = ["console", "--config", "corp.toml", "--json"].into_iter().chain(options.iter().copied());
    Console::start(world.dir.provisioner(arguments)).unwrap()
}
