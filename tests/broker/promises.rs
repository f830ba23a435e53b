//! What brokers promise, as the check at the start finds it, and the profiles that we ship.

use std::fs;
use std::path::Path;

use bailiwick::ingest::broker::{Address, Credentials};
use bailiwick::tls::Identity;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rumqttc::MqttOptions;

use crate::mosquitto::{self, Mosquitto};
use crate::nats::Nats;
use crate::support::{Device, Stage, settings};

const SESSION: &str = "bailiwick_broker_promise{promise=\"session\"}";
const QUEUE: &str = "bailiwick_broker_promise{promise=\"queue\"}";
const SENT: &str = "bailiwick_broker_acks_total{result=\"sent\"}";

/// A broker with the profile that we ship, and its logins.
async fn profile() -> Mosquitto {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mosquitto");
    let made = |folder: &Path| {
        fs::copy(shipped.join("acl"), folder.join("acl")).unwrap();
        let passwords = folder.join("passwords");
        fs::write(&passwords, "").unwrap();
        for login in ["bailiwick", "gateway"] {
            let status = std::process::Command::new("mosquitto_passwd")
                .arg("-b")
                .arg(&passwords)
                .args([login, "made for this test"])
                .status()
                .expect("mosquitto_passwd comes with mosquitto");
            assert!(status.success());
        }
    };
    Mosquitto::prepared(&mosquitto::profile(), made).await
}

/// F037: with the profile that we ship, a broker that is killed brings what it has acknowledged.
#[tokio::test]
async fn the_profile_keeps_what_it_acknowledged_over_a_kill() {
    let mut broker = profile().await;
    let mut settings = settings(broker.port);
    settings.credentials = Some(Credentials {
        username: "bailiwick".to_owned(),
        password: "made for this test".to_owned(),
    });
    let mut stage = Stage::with(settings.clone());
    stage.checked().await;
    assert!((stage.value(SESSION) - 1.0).abs() < 0.5);
    assert!(
        (stage.value(QUEUE) - 1.0).abs() < 0.5,
        "{:?}",
        stage.health.state()
    );
    stage.stop().await;
    let mut login = MqttOptions::new("gateway", "127.0.0.1", broker.port);
    login.set_credentials("gateway", "made for this test");
    let mut gateway = Device::with(login).await;
    gateway.report(1..=200).await;
    // It writes at the beginning of each round of its loop: what it acknowledged in the very last one could be lost.
    gateway.subscribe("em/demo/+/receipt").await;
    broker.kill().await;
    broker.start_again().await;
    let mut stage = Stage::with(settings);
    for expected in 1..=200 {
        assert_eq!(stage.commit().await, expected);
    }
    stage.reaches(SENT, 200).await;
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let broker = profile().await;
    let mut settings = settings(broker.port);
    settings.credentials = Some(Credentials {
        username: "bailiwick".to_owned(),
        password: "guessed".to_owned(),
    });
    let stage = Stage::with(settings);
    stage
        .reaches(
            "bailiwick_broker_connection_ends_total{reason=\"refused\"}",
            2,
        )
        .await;
    let standing = stage.health.state().troubles.into_values().next().unwrap();
    assert!(
        standing.detail.contains("refuses our login"),
        "{standing:?}"
    );
    assert!(!standing.detail.contains("guessed"));
}

/// A broker without our certificate does not let us in; with it, and only encrypted, it does.
#[tokio::test]
async fn a_certificate_of_ours_opens_an_encrypted_broker() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Where all names are the same, OpenSSL takes each certificate for one that signed itself.
    params
        .distinguished_name
        .push(DnType::CommonName, "authority");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
    for (name, subject) in [("broker", "127.0.0.1"), ("engine", "engine")] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &ca).unwrap();
        fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(
            folder.path().join(format!("{name}.key")),
            key.serialize_pem(),
        )
        .unwrap();
    }
    let path = |name: &str| folder.path().join(name);
    let lines = format!(
        "allow_anonymous true\ncafile {ca}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\n",
        ca = path("ca.pem").display(),
        certificate = path("broker.pem").display(),
        key = path("broker.key").display(),
    );
    let broker = Mosquitto::prepared(&lines, |_folder| {}).await;
    let mut settings = settings(broker.port);
    settings.address = Address::parse(&format!("mqtts://127.0.0.1:{}", broker.port)).unwrap();
    settings.ca = Some(path("ca.pem"));
    let without = Stage::with(settings.clone());
    without
        .reaches("bailiwick_broker_connection_ends_total{reason=\"gone\"}", 1)
        .await;
    drop(without);
    settings.identity = Some(Identity {
        certificate: path("engine.pem"),
        key: path("engine.key"),
    });
    let stage = Stage::with(settings);
    stage.subscribed(1).await;
}

/// NATS keeps sessions and queues on disk: everything comes, also after a kill.
#[tokio::test]
async fn the_listener_of_a_nats_server_is_a_broker_too() {
    let mut broker = Nats::start("").await;
    let mut stage = Stage::start(broker.port);
    stage.subscribed(1).await;
    stage.checked().await;
    assert!((stage.value(SESSION) - 1.0).abs() < 0.5);
    assert!(
        (stage.value(QUEUE) - 1.0).abs() < 0.5,
        "{:?}",
        stage.health.state()
    );
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report(1..=20).await;
    assert_eq!(stage.commit().await, 1);
    stage.reaches(SENT, 1).await;
    stage.stop().await;
    device.report(21..=40).await;
    drop(device);
    broker.kill().await;
    broker.start_again().await;
    let mut stage = Stage::start(broker.port);
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 39 {
        let number = stage.commit().await;
        if number > 1 {
            seen.insert(number);
        }
    }
    assert_eq!(seen, (2..=40).collect());
}
