//! Nothing personal in the log: markers are planted in everything that may be secret or personal, the log is written at its most
//! talkative, and none of them may stand in it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use bailiwick::config::SecretSha256;
use rumqttc::mqttbytes::v4::Connect;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::ground::{Ground, on_each};
use crate::process::{call, post, within};

/// What is planted, in capitals of its own so that nothing else has it by chance.
const MARKERS: [&str; 13] = [
    "PASSWORDMARK",
    "TOKENMARK",
    "WEARERMARK",
    "NAMEMARK",
    "DEVICEMARK",
    "OFFICERMARK",
    "ZONEMARK",
    "ANSWERMARK",
    "NOTEMARK",
    "CLIENTMARK",
    "USERMARK",
    "PAYLOADMARK",
    // Where the wearer is.
    "47.13131",
];

const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[9.51313,47.13131]},
"properties":{"id":"ZONEMARK","name":"ZONEMARK of NAMEMARK","kind":"exclusion","wearer":"WEARERMARK","radius_m":100}}]}"#;

const ROSTER: &str = r#"
[[officer]]
id = "OFFICERMARK"
name = "NAMEMARK"
[[wearer]]
id = "WEARERMARK"
name = "NAMEMARK"
officer = "OFFICERMARK"
[[activation]]
device = "DEVICEMARK"
wearer = "WEARERMARK"
from = "2020-01-01T00:00:00Z"
"#;

fn configure(ground: &Ground) {
    let folder = ground.folder();
    let digest = |secret: &str| hex::encode(SecretSha256::of(secret).bytes());
    fs::write(folder.join("zones.geojson"), ZONES).expect("a file");
    fs::write(folder.join("roster.toml"), ROSTER).expect("a file");
    fs::write(
        folder.join("bailiwick.toml"),
        format!(
            r#"
[database]
{}
[endpoint]
listen = "127.0.0.1:0"
[[endpoint.login]]
username = "USERMARK"
secret_sha256 = "{}"
agency = "demo"
role = "service"
publish = true
subscribe = ["em/demo/#"]
[web]
listen = "127.0.0.1:0"
[[token]]
name = "NAMEMARK"
sha256 = "{}"
agency = "demo"
scope = "admin"
[[agency]]
id = "demo"
zones = ["zones.geojson"]
roster = "roster.toml"
[log]
level = "trace"
format = "json"
{}"#,
            ground.database(),
            digest("PASSWORDMARK"),
            digest("TOKENMARK"),
            broker(ground),
        ),
    )
    .expect("a file");
}

/// The broker, and how we log in there.
fn broker(ground: &Ground) -> String {
    let table = ground.broker_table();
    if table.is_empty() {
        return table;
    }
    fs::write(ground.folder().join("password"), "PASSWORDMARK\n").expect("a file");
    format!("{table}username = \"USERMARK\"\npassword_file = \"password\"\n")
}

/// A service whose log goes to a file, however much it is.
struct Talkative {
    child: Child,
    mqtt: SocketAddr,
    page: SocketAddr,
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).expect("the log")
}

async fn start(folder: &Path) -> Talkative {
    let file = File::create(folder.join("log")).expect("a file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(["serve", "--config"])
        .arg(folder.join("bailiwick.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .kill_on_drop(true)
        .spawn()
        .expect("the service starts");
    let ready = async {
        loop {
            let entry = log(folder).lines().find_map(|line| {
                let entry: serde_json::Value = serde_json::from_str(line).ok()?;
                (entry["message"] == "the service is ready").then_some(entry)
            });
            if let Some(entry) = entry {
                return entry;
            }
            let ended = child.try_wait().expect("it can be asked");
            assert_eq!(ended, None, "{}", log(folder));
            tokio::task::yield_now().await;
        }
    };
    let entry = within("the start of the service", ready).await;
    let address = |key: &str| entry[key].as_str().and_then(|text| text.parse().ok());
    Talkative {
        mqtt: address("mqtt").expect("an address"),
        page: address("page").expect("an address"),
        child,
    }
}

fn login(client_id: &str, password: &str) -> Connect {
    let mut connect = Connect::new(client_id);
    connect.set_login("USERMARK", password);
    connect
}

/// Has it complain of a wrong configuration, and ends it.
async fn complain_and_end(service: &mut Talkative, folder: &Path) {
    // A configuration that is wrong is complained of without what it says.
    let file = folder.join("bailiwick.toml");
    let text = fs::read_to_string(&file).expect("the configuration");
    fs::write(
        &file,
        text.replace("role = \"service\"", "role = \"PAYLOADMARK\""),
    )
    .expect("a file");
    let id = service.child.id().expect("it runs").to_string();
    for signal in ["-HUP", "-TERM"] {
        let said = Command::new("kill").args([signal, &id]).status().await;
        assert!(said.expect("kill runs").success());
        if signal == "-HUP" {
            let complained = async {
                while !log(folder).contains("can't be put in force") {
                    tokio::task::yield_now().await;
                }
            };
            within("a complaint", complained).await;
        }
    }
    within("the end", service.child.wait())
        .await
        .expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_marker_comes_out_in_the_log() {
    on_each(nothing_comes_out).await;
}

async fn nothing_comes_out(ground: Ground) {
    configure(&ground);
    let folder = ground.folder();
    let mut service = start(folder).await;
    ground.listens(service.page, "TOKENMARK").await;
    let topic = "em/demo/DEVICEMARK/report";
    let now = bailiwick::clock::Clock::now(&bailiwick::clock::SystemClock);
    let at = (service.mqtt, service.page);
    let comes = login("CLIENTMARK", "PASSWORDMARK");
    let mut device = ground.login(at, "TOKENMARK", comes).await;
    let fix = r#"{"lat":47.13131,"lon":9.51313,"accuracy_m":5}"#;
    let report = format!(
        r#"{{"boot":"b1","seq":1,"at":"{now}","fix":{fix},"strap":"cut","checkin":{{"obligation":"o","answers":{{"why":"ANSWERMARK"}}}}}}"#
    );
    device.publish(topic, &report).await;
    device.publish(topic, "PAYLOADMARK is no report").await;
    device
        .publish(topic, r#"{"at":"PAYLOADMARK","fix":{"lat":47.13131}}"#)
        .await;
    // Those who are refused.
    assert!(Client::refused(service.mqtt, login("CLIENTMARK", "PASSWORDMARK-no")).await);
    let (status, _) = call(service.page, "TOKENMARK-no", ("GET", "/api/v1/alerts")).await;
    assert_eq!(status, 401);
    // People at work.
    let (status, queue) = call(service.page, "TOKENMARK", ("GET", "/api/v1/alerts")).await;
    assert_eq!(status, 200);
    let alert = queue["items"][0]["alert"]["id"]
        .as_str()
        .expect("an alert")
        .to_owned();
    let note = format!("/api/v1/alerts/{alert}/note");
    let (status, said) = post(service.page, "TOKENMARK", &note, r#"{"note":"NOTEMARK"}"#).await;
    assert_eq!(status, 200, "{said}");
    for path in [
        "/api/v1/wearers/WEARERMARK",
        "/api/v1/wearers/WEARERMARK/track",
        "/api/v1/wearers/NAMEMARK",
        "/api/v1/unreadable",
        "/api/v1/zones",
        "/NAMEMARK",
    ] {
        call(service.page, "TOKENMARK", ("GET", path)).await;
    }
    let (status, _) = post(service.page, "TOKENMARK", "/api/v1/checkins", "PAYLOADMARK").await;
    assert!((400..500).contains(&status), "{status}");
    complain_and_end(&mut service, folder).await;
    let log = log(folder);
    println!("{} lines of log", log.lines().count());
    for needed in [
        "the service is ready",
        "TRACE",
        "the MQTT endpoint has stopped",
    ] {
        assert!(log.contains(needed), "the log is not talkative: {needed}");
    }
    for marker in MARKERS {
        // A page may ask for an address that is somebody's name; it is not repeated either.
        let found = log.lines().find(|line| line.contains(marker));
        assert_eq!(found, None, "{marker}");
    }
}
