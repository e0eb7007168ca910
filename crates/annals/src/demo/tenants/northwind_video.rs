//! `northwind-video`: a platform where film crews cut, review and publish; Lagos, and people everywhere.

use super::*;

const VIDEO: On = On::Kind(0);
const PLAYLIST: On = On::Kind(1);
const COMMENT: On = On::Kind(2);
const API_KEY: On = On::Kind(3);
const REPORT: On = On::Kind(4);

const MEDIA_API: usize = 0;
const TRANSCODER: usize = 1;
const IDENTITY: usize = 2;
const EXPORTER: usize = 3;

pub(super) static TENANT: Tenant = Tenant {
    id: "northwind-video",
    seed: 0x6e6f_7274_6877,
    share: 60,
    city: "Lagos, NG",
    utc_offset_hours: 1,
    network: 1,
    ids: IdStyle::Uuid,
    weekdays: [96, 104, 108, 102, 90, 34, 26],
    hours: [4, 2, 1, 1, 2, 5, 14, 38, 72, 95, 108, 104, 78, 86, 102, 104, 96, 80, 52, 34, 28, 22, 14, 8],
    machines: 11,
    cast: &[
        Member { name: "Ana Lindqvist", role: 3, leaves_days_before: None },
        Member { name: "Tomasz Wieczornik", role: 3, leaves_days_before: Some(20) },
        Member { name: "Idris Okwuosa", role: 4, leaves_days_before: None },
    ],
    staff: 264,
    first_name: 0,
    teams: &["Documentary", "Sport", "Kids", "Studio 東京", "Marketing", "Platform"],
    projects: &[
        "autumn-season",
        "harbour-stories",
        "łódź-film-weekend",
        "onboarding-clips",
        "archive-2019",
        "trailer-lab",
    ],
    roles: &[
        Role { title: "editor", share: 50, deeds: EDITING },
        Role { title: "producer", share: 28, deeds: PRODUCING },
        Role { title: "support", share: 12, deeds: SUPPORT },
        Role { title: "admin", share: 4, deeds: ADMIN },
        Role { title: "engineer", share: 10, deeds: ENGINEERING },
    ],
    kinds: &[
        Kind {
            name: "video",
            prefix: "vid_",
            count: 3200,
            naming: Naming::Staged {
                first: &[
                    "Keynote",
                    "Harbour at night",
                    "Rainy season",
                    "The last ferry",
                    "Bread and salt",
                    "Carnival",
                    "Marathon day",
                    "Grandmother's garden",
                    "How glass is made",
                    "Night shift",
                    "Five questions",
                    "\"Live\" in one take",
                    "Winter light",
                    "The lighthouse keepers",
                    "Market day",
                    "Kites 🪁",
                    "Tiny orchestra",
                    "Road to the coast",
                ],
                second: &[
                    ", São Paulo",
                    ", 東京",
                    ", Łódź",
                    ", Lagos",
                    ", part one",
                    ", part two",
                    ", teaser",
                    ", director's notes",
                    ", subtitles",
                    ", Reykjavík",
                    ", Đà Nẵng",
                    ", behind the scenes",
                ],
            },
        },
        Kind {
            name: "playlist",
            prefix: "pl_",
            count: 420,
            naming: Naming::Words {
                first: &[
                    "Autumn season",
                    "Staff picks",
                    "For schools",
                    "Festival 2026",
                    "Short and sweet",
                    "Última chamada",
                    "名作選",
                ],
                second: &["", " – public", " – press", " – internal", " – kids", " – archive"],
            },
        },
        Kind {
            name: "comment",
            prefix: "cm_",
            count: 9000,
            naming: Naming::Words {
                first: &[
                    "Trim two frames",
                    "Louder here",
                    "Colour is off",
                    "Love this 💛",
                    "Wrong caption",
                    "Fade earlier",
                    "Legal, please look",
                ],
                second: &["", " at 00:14", " at 01:32", " at 04:07", " in the credits"],
            },
        },
        Kind {
            name: "api_key",
            prefix: "key_",
            count: 60,
            naming: Naming::Words {
                first: &["backup", "press site", "subtitle import", "analytics", "kiosk", "partner feed"],
                second: &[" (production)", " (staging)", " (laptop)"],
            },
        },
        Kind {
            name: "report",
            prefix: "rep_",
            count: 700,
            naming: Naming::Words {
                first: &["Watch time", "Rights and licences", "Top clips", "Upload quality", "Subscribers"],
                second: &[" by week", " by month", " by country", " by team"],
            },
        },
    ],
    settings: &[
        Setting { name: "playback.default_quality", values: &["720p", "1080p", "1440p"] },
        Setting { name: "sharing.public_links", values: &["true", "false"] },
        Setting { name: "upload.max_gigabytes", values: &["20", "40", "60"] },
        Setting { name: "review.reviewers_needed", values: &["1", "2"] },
        Setting { name: "player.accent_colour", values: &["#1f6feb", "#e4572e", "#2a9d8f"] },
    ],
    services: &[
        Service { name: "media-api", major: 4, instances: 3 },
        Service { name: "transcoder", major: 2, instances: 4 },
        Service { name: "identity", major: 7, instances: 2 },
        Service { name: "exporter", major: 1, instances: 1 },
    ],
    robots: &[
        Robot {
            kind: "system",
            id: "sys_transcoder",
            name: "Transcoder",
            ip: "",
            user_agent: "",
            weight: 60,
            deeds: TRANSCODING,
        },
        Robot {
            kind: "system",
            id: "sys_housekeeping",
            name: "Housekeeping",
            ip: "",
            user_agent: "",
            weight: 14,
            deeds: HOUSEKEEPING,
        },
        Robot {
            kind: "api_key",
            id: "key_ci_deploy",
            name: "CI deploy",
            ip: "192.0.2.11",
            user_agent: "northwind-ci/3.9",
            weight: 14,
            deeds: DEPLOYING,
        },
        Robot {
            kind: "api_key",
            id: "key_press_site",
            name: "Press site",
            ip: "192.0.2.24",
            user_agent: "press-site/1.4 (+https://press.northwind-video.example)",
            weight: 22,
            deeds: PRESS,
        },
    ],
};

const RENAME: Deed = deed("video.update", "update", "video", 13)
    .says("renamed the video “{before}” to “{after}”", "rename the video “{target}”")
    .on(VIDEO)
    .http("PATCH", "/v1/videos/{id}", 200)
    .changes(Change::Rename)
    .via(MEDIA_API)
    .with(Detail::Client);
const WATCH: Deed = deed("video.view", "read", "video", 22)
    .says("opened the video “{target}”", "open the video “{target}”")
    .on(VIDEO)
    .http("GET", "/v1/videos/{id}", 200)
    .with(Detail::Client);
const UPLOAD: Deed = deed("video.create", "create", "video", 10)
    .says("uploaded the video “{target}”", "upload the video “{target}”")
    .on(VIDEO)
    .http("POST", "/v1/videos", 201)
    .with(Detail::File)
    .via(MEDIA_API);
const PUBLISH: Deed = deed("video.visibility.update", "update", "video", 7)
    .says("changed who can see “{target}” from {before} to {after}", "change who can see “{target}”")
    .on(VIDEO)
    .http("PUT", "/v1/videos/{id}/visibility", 200)
    .via(MEDIA_API)
    .changes(Change::Cycle("visibility", &["private", "unlisted", "public"]));
const REMOVE: Deed = deed("video.delete", "delete", "video", 2)
    .says("moved the video “{target}” to the bin", "move the video “{target}” to the bin")
    .on(VIDEO)
    .http("DELETE", "/v1/videos/{id}", 204)
    .severity("notice")
    .via(MEDIA_API);
const COMMENT_ON: Deed = deed("comment.create", "create", "review", 16)
    .says("commented “{target}” on “{also}”", "comment on “{also}”")
    .on(COMMENT)
    .also(0)
    .http("POST", "/v1/comments", 201)
    .with(Detail::Client);
const RESOLVE: Deed = deed("comment.resolve", "update", "review", 7)
    .says("resolved the comment “{target}”", "resolve the comment “{target}”")
    .on(COMMENT)
    .http("POST", "/v1/comments/{id}/resolve", 200)
    .changes(Change::Cycle("resolved", &["false", "true"]));
const ADD_TO_LIST: Deed = deed("playlist.video.add", "update", "playlist", 7)
    .says("added “{also}” to the playlist “{target}”", "add “{also}” to the playlist “{target}”")
    .on(PLAYLIST)
    .also(0)
    .http("POST", "/v1/playlists/{id}/videos", 201)
    .via(MEDIA_API);
const NEW_LIST: Deed = deed("playlist.create", "create", "playlist", 2)
    .says("created the playlist “{target}”", "create the playlist “{target}”")
    .on(PLAYLIST)
    .http("POST", "/v1/playlists", 201);
const SHARE: Deed = deed("share_link.create", "create", "sharing", 6)
    .says("shared “{target}” by link", "share “{target}” by link")
    .on(VIDEO)
    .http("POST", "/v1/videos/{id}/links", 201)
    .with(Detail::Token);
const DOWNLOAD: Deed = deed("video.download", "access", "video", 6)
    .says("downloaded “{target}”", "download “{target}”")
    .on(VIDEO)
    .http("GET", "/v1/videos/{id}/file", 200)
    .with(Detail::File);
const EXPORT: Deed = deed("export.create", "create", "export", 2)
    .says("exported the report “{target}”", "export the report “{target}”")
    .on(REPORT)
    .http("POST", "/v1/exports", 202)
    .with(Detail::Export)
    .severity("notice")
    .via(EXPORTER);
const LOOK_UP: Deed = deed("user.view", "read", "people", 8)
    .says("looked at the profile of {target}", "look at the profile of {target}")
    .on(On::Colleague)
    .http("GET", "/v1/users/{id}", 200)
    .with(Detail::Client);
const GRANT: Deed = deed("role.grant", "update", "access", 5)
    .says("granted {target} the role “reviewer” for a week", "grant {target} the role “reviewer”")
    .on(On::Colleague)
    .http("POST", "/v1/users/{id}/roles", 200)
    .severity("notice")
    .via(IDENTITY)
    .with(Detail::Token);
const NEW_KEY: Deed = deed("apikey.create", "create", "access", 2)
    .says("created the API key “{target}”", "create the API key “{target}”")
    .on(API_KEY)
    .http("POST", "/v1/api-keys", 201)
    .severity("notice")
    .with(Detail::Token)
    .via(IDENTITY);
const REVOKE_KEY: Deed = deed("apikey.revoke", "delete", "access", 1)
    .says("revoked the API key “{target}”", "revoke the API key “{target}”")
    .on(API_KEY)
    .http("DELETE", "/v1/api-keys/{id}", 204)
    .severity("notice")
    .via(IDENTITY);
const SETTINGS: Deed = deed("settings.update", "update", "settings", 3)
    .says("changed the setting {target} from {before} to {after}", "change the setting {target}")
    .on(On::Setting)
    .http("PUT", "/v1/settings/{id}", 200)
    .changes(Change::Setting)
    .severity("notice")
    .via(MEDIA_API);

static EDITING: &[Deed] = &[RENAME, WATCH, UPLOAD, COMMENT_ON, RESOLVE, ADD_TO_LIST, SHARE, DOWNLOAD];
static PRODUCING: &[Deed] =
    &[RENAME, WATCH, PUBLISH, REMOVE, COMMENT_ON, RESOLVE, ADD_TO_LIST, NEW_LIST, SHARE, EXPORT];
static SUPPORT: &[Deed] = &[WATCH, LOOK_UP, COMMENT_ON, EXPORT];
static ADMIN: &[Deed] = &[LOOK_UP, GRANT, NEW_KEY, REVOKE_KEY, SETTINGS, WATCH, EXPORT];
static ENGINEERING: &[Deed] = &[WATCH, LOOK_UP, DOWNLOAD, NEW_KEY, RESOLVE];

static TRANSCODING: &[Deed] = &[
    deed("video.transcode.finish", "update", "video", 9)
        .says("finished transcoding “{target}”", "transcode “{target}”")
        .on(VIDEO)
        .with(Detail::Job)
        .via(TRANSCODER),
    deed("video.transcode.start", "", "video", 9)
        .says("started transcoding “{target}”", "start transcoding “{target}”")
        .on(VIDEO)
        .with(Detail::Job)
        .via(TRANSCODER),
    deed("video.thumbnail.create", "create", "video", 4)
        .says("made thumbnails for “{target}”", "make thumbnails for “{target}”")
        .on(VIDEO)
        .with(Detail::File)
        .via(TRANSCODER),
];
static HOUSEKEEPING: &[Deed] = &[
    deed("backup.finish", "snapshot", "maintenance", 3)
        .says("backed up the media catalogue", "back up the media catalogue")
        .with(Detail::Job),
    deed("video.purge", "delete", "maintenance", 5)
        .says("emptied “{target}” from the bin after 30 days", "empty “{target}” from the bin")
        .on(VIDEO)
        .with(Detail::Job),
    deed("share_link.expire", "", "sharing", 5)
        .says("let the link to “{target}” run out", "let the link to “{target}” run out")
        .on(VIDEO),
];
static DEPLOYING: &[Deed] = &[
    deed("release.publish", "create", "platform", 2)
        .says("published a new player with the playlist “{target}”", "publish a new player")
        .on(PLAYLIST)
        .http("POST", "/v1/releases", 201)
        .with(Detail::Job),
    deed("video.validate", "read", "video", 7)
        .says("checked the captions of “{target}”", "check the captions of “{target}”")
        .on(VIDEO)
        .http("GET", "/v1/videos/{id}/captions", 200)
        .with(Detail::Job)
        .via(MEDIA_API),
];
static PRESS: &[Deed] = &[
    deed("playlist.view", "read", "playlist", 8)
        .says("read the playlist “{target}”", "read the playlist “{target}”")
        .on(PLAYLIST)
        .http("GET", "/v1/playlists/{id}", 200)
        .via(MEDIA_API),
    deed("video.view", "read", "video", 10)
        .says("read the video “{target}”", "read the video “{target}”")
        .on(VIDEO)
        .http("GET", "/v1/videos/{id}", 200),
];
