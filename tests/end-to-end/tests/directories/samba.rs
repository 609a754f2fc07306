//! That the domain controller of the tests is what they take it for.

use std::time::Instant;

use end_to_end::{DISABLED, SAMBA_BASE_DN, Samba, samba_group, samba_user};

#[test]
fn a_forest_of_ones_own() {
    let start = Instant::now();
    let (mut one, other) = (Samba::start().unwrap(), Samba::start().unwrap());
    assert_ne!(one.url(), other.url());
    println!("two forests after {:?}", start.elapsed());

    let admin = one.admin();
    let unit = format!("OU=Staff,{SAMBA_BASE_DN}");
    admin.add(&unit, [("objectClass", "organizationalUnit")]).unwrap();
    let users: Vec<_> = (0..200)
        .map(|number| {
            let (name, mail) = (format!("u{number}"), format!("u{number}@acme.test"));
            (format!("CN={name},{unit}"), samba_user(&name, &[("mail", &mail), ("sn", "User")]))
        })
        .collect();
    admin.add_all(&users).unwrap();
    let group = format!("CN=All,{unit}");
    admin.add_all(&[(group.clone(), samba_group("All"))]).unwrap();
    let dns: Vec<String> = users.into_iter().map(|(dn, _)| dn).collect();
    admin.add_members(&group, &dns).unwrap();
    println!("200 users after {:?}", start.elapsed());
    assert_eq!(admin.values(&group, "member").unwrap().len(), 200);
    admin.set(&dns[0], "userAccountControl", &[DISABLED]).unwrap();
    let id = admin.bytes(&dns[0], "objectGUID").unwrap().unwrap();
    let renamed = admin.rename(&dns[0], r"CN=Doe\, Jo").unwrap();
    let moved = admin.move_to(&renamed, &format!("CN=Users,{SAMBA_BASE_DN}")).unwrap();
    assert_eq!(admin.bytes(&moved, "objectGUID").unwrap(), Some(id));
    admin.delete(&moved).unwrap();
    assert_eq!(admin.values(&group, "member").unwrap().len(), 199);
    assert_eq!(other.admin().values(&unit, "ou").unwrap(), Vec::<String>::new());
    one.restart().unwrap();
    assert_eq!(admin.values(&unit, "ou").unwrap(), ["Staff"]);
    one.add_reader("reader").unwrap();
    println!("done after {:?}", start.elapsed());
}
