//! `config` and `migrate`: what is printed checks, what is wrong is listed, a database comes up to date.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{Desk, Ran, bailiwick, json_lines};

#[test]
fn what_is_printed_checks() {
    let desk = Desk::new();
    desk.write("bailiwick.toml", desk.good(&["config", "print"]));
    let said = desk.good(&["config", "check"]);
    assert!(
        said.contains("warning: bailiwick.toml: no device may connect"),
        "{said}"
    );
    assert!(
        said.ends_with("bailiwick.toml: 0 logins, 0 tokens, 0 agencies; no problems, 2 warnings\n"),
        "{said}"
    );
    desk.write("rules.toml", desk.good(&["config", "print", "--rules"]));
    desk.write(
        "agency.toml",
        "[[agency]]\nid = \"demo\"\nrules = \"rules.toml\"\n",
    );
    let lines = json_lines(&desk.good(&["config", "check", "--format", "json", "agency.toml"]));
    assert_eq!(lines.last().unwrap()["agencies"], 1, "{lines:?}");
}

/// A misspelt agency, and an officer with an address that nothing writes to, are silent until somebody is not told.
#[test]
fn what_does_not_fit_together_is_a_warning() {
    let desk = Desk::new();
    desk.write("secret", "made by a machine, 32 bytes long\n");
    desk.write(
        "roster.toml",
        "[[officer]]\nid = \"o-1\"\ncontact = { email = \"o-1@example.org\" }\n\
         [[officer]]\nid = \"o-2\"\ncontact = { email = \"o-2@example.org\", mqtt = \"yes\" }\n",
    );
    let text = "[[token]]\nname = \"desk\"\nsecret_file = \"secret\"\nagency = \"county\"\nscope = \"act\"\n\
                [[endpoint.login]]\nusername = \"tag-7\"\nsecret_file = \"secret\"\nagency = \"conty\"\nrole = \"device\"\ndevice = \"tag-7\"\n\
                [[agency]]\nid = \"county\"\nroster = \"roster.toml\"\n";
    desk.write("b.toml", text);
    let said = desk.good(&["config", "check", "b.toml"]);
    let expected = "warning: b.toml: login tag-7: agency conty has no [[agency]] here, only county has; unless its zones and roster \
                    come over HTTP, nobody of it is judged\n\
                    warning: roster.toml: officer o-1: can be reached by email alone, and [notify] has no such channel; the desk is \
                    told at once in their place\n";
    assert!(said.starts_with(expected), "{said}");
    desk.write("b.toml", text.replace("conty", "county"));
    let said = desk.good(&["config", "check", "b.toml"]);
    assert!(!said.contains("[[agency]]"), "{said}");
}

#[test]
fn files_that_it_names_are_checked_with_it() {
    let desk = Desk::new();
    desk.write("etc/secret", "made by a machine, 32 bytes long\n");
    desk.write(
        "etc/zones.csv",
        "id,name,kind,lon,lat,radius_m\nyard,Yard,exclusion,9.52,47.14,100\n",
    );
    desk.write(
        "etc/roster.toml",
        "[[wearer]]\nid = \"W-1\"\nname = \"W\"\nrisk = \"low\"\ntimezone = \"Europe/Vaduz\"\n",
    );
    desk.write("etc/rules.toml", "correction_horizon = \"60d\"\n");
    let text = "[map]\nlayers = [\"zones.csv\"]\n[[token]]\nname = \"desk\"\nsecret_file = \"secret\"\nagency = \"demo\"\nscope = \"act\"\n\
                [[endpoint.login]]\nusername = \"tag-7\"\nsecret_file = \"secret\"\nagency = \"demo\"\nrole = \"device\"\ndevice = \"tag-7\"\n\
                [[agency]]\nid = \"demo\"\nzones = [\"zones.csv\"]\nroster = \"roster.toml\"\nrules = \"rules.toml\"\n";
    desk.write("etc/b.toml", text);
    let said = desk.good(&["config", "check", "etc/b.toml"]);
    assert_eq!(
        said,
        "warning: etc/roster.toml: zone yard: is bound to nobody and judges nobody\n\
         warning: etc/b.toml: agency demo: its rules' correction_horizon is longer than [retention] log or blocks; nothing is \
         kept for less than the horizon\n\
         etc/b.toml: 1 login, 1 token, 1 agency; no problems, 2 warnings\n"
    );
    desk.write("etc/zones.csv", "id,lon\n");
    desk.write("etc/b.toml", text.replace("rules.toml", "missing.toml"));
    let ran = desk.run(&["config", "check", "etc/b.toml"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.out.contains("etc/missing.toml: there is no such file"),
        "{ran:#?}"
    );
    assert!(
        ran.out.contains("etc/zones.csv:1: column lat is missing"),
        "{ran:#?}"
    );
}

#[test]
fn all_that_is_wrong_is_listed() {
    let desk = Desk::new();
    desk.write(
        "bailiwick.toml",
        "[web]\nlisten = \"here\"\ncolour = \"red\"\n[log]\nformat = \"xml\"\n",
    );
    let ran = desk.run(&["config", "check"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 4, "{ran:#?}");
    assert!(
        lines[0].starts_with("bailiwick.toml:2: web.listen: \"here\" is not an address"),
        "{ran:#?}"
    );
    assert_eq!(
        lines[1],
        "bailiwick.toml:3: web.colour: is not known; expected listen, secure_cookie, tls"
    );
    assert_eq!(lines[3], "bailiwick.toml; 3 problems");
    let missing = desk.refused(&["config", "check", "missing.toml"]);
    assert_eq!(
        missing,
        "missing.toml can't be read: there is no such file or folder; `bailiwick config print > bailiwick.toml` writes one to \
         begin with"
    );
    assert_eq!(
        desk.refused(&["config", "check", "."]),
        ". can't be read: it is a folder; expected a file"
    );
}

#[test]
fn the_environment_is_checked_with_it() {
    let desk = Desk::new();
    desk.write("bailiwick.toml", "");
    let mut command = bailiwick();
    command
        .args(["config", "check"])
        .current_dir(desk.path(""))
        .env("BAILIWICK_WEB_LISTEN", "8080");
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.out
            .starts_with("environment: BAILIWICK_WEB_LISTEN: \"8080\" is not an address"),
        "{ran:#?}"
    );
}

#[test]
fn a_database_comes_up_to_date_and_stays_so() {
    let desk = Desk::new();
    let version = env!("CARGO_PKG_VERSION");
    for _ in 0..2 {
        let said = desk.good(&["migrate", "--database", "sqlite:a.db"]);
        assert_eq!(said, format!("sqlite:a.db is at the schema of {version}\n"));
    }
    assert!(desk.bytes("a.db").starts_with(b"SQLite format 3"));
    desk.write("bailiwick.toml", "[database]\nurl = \"sqlite:b.db\"\n");
    desk.good(&["migrate"]);
    assert!(desk.path("b.db").exists());
    let mut command = bailiwick();
    command
        .arg("migrate")
        .current_dir(desk.path(""))
        .env("BAILIWICK_DATABASE_URL", "sqlite:c.db");
    assert_eq!(
        Ran::of(&mut command).out,
        format!("sqlite:c.db is at the schema of {version}\n")
    );
}

#[test]
fn a_database_that_is_none_is_one_sentence() {
    let desk = Desk::new();
    desk.write(
        "text.db",
        "This is a letter and no database, whatever it is called.\n".repeat(100),
    );
    for (url, part) in [
        ("sqlite:no/such/folder.db", "no/such"),
        ("sqlite:text.db", "text.db"),
        ("mysql://user:secret@host/db", "use sqlite:PATH"),
    ] {
        let said = desk.refused(&["migrate", "--database", url]);
        assert!(said.contains(part) && !said.contains("secret"), "{said}");
    }
}

/// The command as somebody whom the rights of folders bind: the superuser's power to ignore them is taken away.
fn without_privilege() -> Command {
    let program = bailiwick().get_program().to_owned();
    let mut command = Command::new("setpriv");
    if String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap() == "0\n" {
        command.arg("--bounding-set=-dac_override,-dac_read_search");
    }
    command.arg("--").arg(program);
    command
}

#[test]
fn a_folder_that_is_read_only_is_one_sentence() {
    let desk = Desk::new();
    desk.write(
        "closed/bailiwick.toml",
        "[database]\nurl = \"sqlite:new.db\"\n",
    );
    desk.good(&["migrate", "--database", "sqlite:closed/old.db"]);
    let closed = desk.path("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let migrate = |url: &str| {
        let mut command = without_privilege();
        Ran::of(
            command
                .args(["migrate", "--database", url])
                .current_dir(&closed),
        )
    };
    for (url, what) in [("sqlite:new.db", "new.db"), ("sqlite:old.db", "old.db")] {
        let ran = migrate(url);
        assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:#?}");
        let said = "can't be written to; allow it or use another folder\n";
        assert!(
            ran.err.contains(what) && ran.err.ends_with(said),
            "{ran:#?}"
        );
    }
    assert!(!closed.join("new.db").exists());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(closed.join("old.db"), fs::Permissions::from_mode(0o444)).unwrap();
    let ran = migrate("sqlite:old.db");
    let said = "it can't be written to; allow it or use another file\n";
    assert!(ran.err.ends_with(said), "{ran:#?}");
    assert_eq!(
        migrate("sqlite:new.db").code,
        0,
        "with the right to write it works"
    );
}

#[test]
fn a_disk_that_is_read_only_is_one_sentence() {
    let desk = Desk::new();
    fs::create_dir(desk.path("disk")).unwrap();
    let mount =
        "mount -t tmpfs -o ro tmpfs disk && exec \"$0\" migrate --database sqlite:disk/new.db";
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", mount])
        .arg(bailiwick().get_program())
        .current_dir(desk.path(""));
    let ran = Ran::of(&mut command);
    assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:#?}");
    let said = "can't be written to; allow it or use another folder\n";
    assert!(ran.err.ends_with(said), "{ran:#?}");
}
