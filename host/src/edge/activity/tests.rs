use super::*;

const HEAD: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const SILENT: Duration = Duration::from_secs(40);
const AGE: Duration = Duration::from_secs(100);
const GRACE: Duration = Duration::from_secs(20);
const LIMITS: Limits = Limits { head: HEAD, idle: IDLE, silent: SILENT, age: None, grace: GRACE };
const AGING: Limits = Limits { age: Some(AGE), ..LIMITS };

impl Activity {
    fn hears(&self, is_http2: bool, awaits_more: bool) -> bool {
        self.received(Instant::now(), is_http2, awaits_more)
    }

    /// What comes, and after how long.
    async fn comes(&self, limits: &Limits) -> (Reason, Duration) {
        let begun = Instant::now();
        let reason = self.overdue(limits).await;
        (reason, begun.elapsed())
    }

    /// Like a client that answers every question, for so long.
    async fn answers(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.hears(true, false);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_overdue() {
    let activity = Activity::new();
    tokio::time::sleep(Duration::from_secs(2)).await;
    activity.hears(false, true);
    assert_eq!(activity.comes(&LIMITS).await, (Reason::Head, HEAD));
}

/// What is said of other things than requests does not make a connection busy.
#[tokio::test(start_paused = true)]
async fn whole_frames_begin_no_head() {
    let activity = Activity::new();
    tokio::time::sleep(Duration::from_secs(30)).await;
    activity.hears(true, true);
    activity.hears(true, false);
    assert_eq!(activity.comes(&LIMITS).await, (Reason::Idle, IDLE - Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_is_not_overdue_and_its_end_begins_idleness() {
    let activity = Activity::new();
    let request = activity.begin();
    assert!(tokio::time::timeout(IDLE * 3, activity.overdue(&LIMITS)).await.is_err());
    drop(request);
    assert_eq!(activity.comes(&LIMITS).await, (Reason::Idle, IDLE));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_dead_over_http2_only() {
    let activity = Activity::new();
    let _request = activity.begin();
    activity.hears(true, false);
    assert_eq!(activity.comes(&LIMITS).await, (Reason::Dead, SILENT));
    let activity = Activity::new();
    let _request = activity.begin();
    activity.hears(false, true);
    assert!(tokio::time::timeout(SILENT * 3, activity.overdue(&LIMITS)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_dead_over_either() {
    for is_http2 in [false, true] {
        let activity = Activity::new();
        let _request = activity.begin();
        if is_http2 {
            let answering = activity.clone();
            tokio::spawn(async move { answering.answers(SILENT * 9).await });
        }
        activity.stuck(true);
        tokio::time::sleep(SILENT / 2).await;
        activity.stuck(false);
        assert!(tokio::time::timeout(SILENT * 3, activity.overdue(&LIMITS)).await.is_err());
        activity.stuck(true);
        assert_eq!(activity.comes(&LIMITS).await, (Reason::Dead, SILENT));
    }
}

/// What is due sooner than what was waited for at first is not missed.
#[tokio::test(start_paused = true)]
async fn what_begins_later_and_ends_sooner_is_seen() {
    let limits = Limits { head: IDLE, idle: IDLE, silent: HEAD, ..LIMITS };
    let activity = Activity::new();
    let speaking = activity.clone();
    tokio::spawn(async move {
        tokio::time::sleep(HEAD / 5).await;
        speaking.hears(true, false)
    });
    assert_eq!(activity.comes(&limits).await, (Reason::Dead, HEAD + HEAD / 5));
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_of_http2_has_a_grace() {
    let activity = Activity::new();
    let _request = activity.begin();
    let answering = activity.clone();
    tokio::spawn(async move { answering.answers(AGE * 3).await });
    assert_eq!(activity.comes(&AGING).await, (Reason::Age, AGE));
    assert!(activity.leave(Reason::Age), "the client is told at once");
    let _late = activity.begin();
    assert_eq!(activity.comes(&AGING).await, (Reason::Grace, GRACE), "what began later gets no more");
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_of_http1_waits_for_its_last_request() {
    let activity = Activity::new();
    let request = activity.begin();
    assert_eq!(activity.comes(&AGING).await, (Reason::Age, AGE));
    assert!(!activity.leave(Reason::Age) && activity.is_leaving());
    assert_eq!(activity.comes(&AGING).await, (Reason::Grace, GRACE), "a long response is cut");
    drop(request);
    tokio::time::sleep(GRACE).await;
    let last = activity.begin();
    assert_eq!(activity.comes(&AGING).await, (Reason::Grace, GRACE), "the last request has all of the grace");
    drop(last);
    assert_eq!(activity.comes(&AGING).await, (Reason::Idle, IDLE));
    activity.leave(Reason::Idle);
    assert_eq!(activity.comes(&AGING).await, (Reason::Grace, GRACE), "whatever the client does");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_nearly_everything_wastes() {
    let activity = Activity::new();
    let request = || (activity.begin(), activity.unanswered());
    for _ in 0..GIVEN_UP_MAX {
        drop(request());
    }
    assert!(activity.hears(true, false));
    let slow = request();
    tokio::time::sleep(GIVEN_UP_WITHIN).await;
    drop(slow);
    assert!(activity.hears(true, false), "who waited for a while did not do it for fun");
    drop(request());
    assert!(!activity.hears(true, false));
    for _ in 0..GIVEN_UP_MAX {
        request().1.answered();
    }
    assert!(activity.hears(true, false), "most are answered");
}

#[test]
fn ages_differ_by_a_tenth() {
    let settings = Settings { connection_age_max_ms: 1_000, ..Settings::default() };
    let age = |jitter| Limits::new(&settings, jitter).age.unwrap().as_millis();
    assert_eq!((age(0.0), age(0.5), age(1.0)), (900, 1_000, 1_100));
    assert_eq!(Limits::new(&Settings { connection_age_max_ms: 0, ..settings }, 0.5).age, None);
}
