//! Every object name, label, port, path, uid and field manager, each once.

/// API group of `Bottle`, `Proposal` and `BottleClass`.
pub const GROUP: &str = "bot-bottle.dev";
/// The one served version.
pub const VERSION: &str = "v1alpha1";
/// Field manager of every server-side apply that the operator makes.
pub const FIELD_MANAGER: &str = "bot-bottle-operator";
/// Field manager of what a bottle's sidecar writes.
pub const FIELD_MANAGER_SIDECAR: &str = "bot-bottle-supervise";
/// Reporter of the operator's Events.
pub const REPORTER: &str = "bot-bottle-operator";
/// `managed-by` value.
pub const PRODUCT: &str = "bot-bottle";
/// User agent of the operator, by which an API server's audit log tells it from others with its account.
pub const USER_AGENT: &str = concat!("bot-bottle-operator/", env!("CARGO_PKG_VERSION"));
/// User agent of a bottle's sidecar.
pub const USER_AGENT_SIDECAR: &str = concat!("bot-bottle-supervise/", env!("CARGO_PKG_VERSION"));

/// Label on every object of a bottle: the bottle's name.
pub const LABEL_BOTTLE: &str = "bot-bottle.dev/bottle";
/// Kubernetes' recommended label for the tool that manages an object.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Kubernetes' recommended label for the name of the application.
pub const LABEL_NAME: &str = "app.kubernetes.io/name";
/// Label on pods beside the bottle's own: what they are for.
pub const LABEL_ROLE: &str = "bot-bottle.dev/role";
/// Value of [`LABEL_ROLE`] on a pod that builds an image.
pub const ROLE_BUILD: &str = "build";
/// Value of [`LABEL_ROLE`] on a pod that tries an image.
pub const ROLE_PROBE: &str = "probe";
/// Value of [`LABEL_NAME`] on a bottle's objects.
pub const APP_NAME: &str = "bottle";

/// Annotation on the pod: hash of what a running pod can't take; another value replaces the pod.
pub const ANNOTATION_POD_HASH: &str = "bot-bottle.dev/pod-hash";
/// Annotation on the pod: touched after each ConfigMap patch, so that the kubelet refreshes the mount at once.
pub const ANNOTATION_CONFIG_TOUCH: &str = "bot-bottle.dev/config-touch";
/// Annotation on the pod: hash of the agent's resources, which a resize changes in place.
pub const ANNOTATION_RESOURCES_HASH: &str = "bot-bottle.dev/resources-hash";
/// Annotation on the pod of a bottle with `rollout: Roll`: the config that it was made for, and the grants in it.
pub const ANNOTATION_CONFIG: &str = "bot-bottle.dev/config";
/// Annotation on a claim: the size and the class that were asked for.
pub const ANNOTATION_WORKSPACE: &str = "bot-bottle.dev/workspace";
/// Annotation on a pod that builds: the Dockerfile, mounted as a file.
pub const ANNOTATION_DOCKERFILE: &str = "bot-bottle.dev/dockerfile";
/// Annotation on a Proposal in the operator's cache, never on a stored one: how many bytes were left out there.
pub const ANNOTATION_LEFT_OUT: &str = "bot-bottle.dev/left-out";
/// kubectl's own restart annotation, honoured on a Bottle.
pub const ANNOTATION_RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Label on a local runtime's containers and volumes: whose they are, a hash of state directory, project and bottle.
pub const LABEL_PLACE: &str = "bot-bottle.dev/place";
/// Label on containers that build or try an image for a place, beside its pod.
pub const LABEL_HELPER: &str = "bot-bottle.dev/helper-of";
/// Label on a local runtime's containers: the project.
pub const LABEL_PROJECT: &str = "bot-bottle.dev/project";
/// Label on a local runtime's containers: the pod's uid.
pub const LABEL_POD_UID: &str = "bot-bottle.dev/pod-uid";
/// Label on a local runtime's containers: which of the pod's it is.
pub const LABEL_CONTAINER: &str = "bot-bottle.dev/container";

/// ServiceAccount of every bottle's pod, one per namespace.
pub const SERVICE_ACCOUNT: &str = "bottle-supervise";
/// ClusterRole that [`SERVICE_ACCOUNT`] is bound to, unless the operator is told another; shipped by the chart, named
/// after its release and namespace.
pub const SIDECAR_CLUSTER_ROLE: &str = "bottle-operator-supervise.bot-bottle-system";
/// NetworkPolicy of all bottles of a namespace: the second wall.
pub const NETWORK_POLICY: &str = "bottles";

/// Name of a bottle's ConfigMap, Pod and other objects of its own: `<bottle>-bottle`.
pub fn object_name(bottle: &str) -> String {
    format!("{bottle}-bottle")
}

/// Name of the pod that builds what `key` stands for. It ends as a bottle's pod does: the chart's policy lets only
/// those into a pod of that name who may debug a bottle.
pub fn build_name(key: &str) -> String {
    object_name(&format!("build-{key}"))
}

/// Name of the pod that tries an image on the bottle's node.
pub fn probe_name(bottle: &str) -> String {
    format!("{bottle}-probe")
}

/// Longest Bottle name: what is left of a 63 character pod host name, `-` and 12 hex digits of a Proposal apart.
pub const BOTTLE_NAME_MAX: usize = 48;

/// Container names; each sidecar's name is also its role.
pub mod container {
    /// Init container: lays the lock, resolves secrets, shares `seal`.
    pub const PREPARE: &str = "prepare";
    /// MCP server, or the reporter when `spec.supervise` is false.
    pub const SUPERVISE: &str = "supervise";
    /// Forward proxy that keeps the allowlist.
    pub const EGRESS: &str = "egress";
    /// Reverse proxy that injects credentials.
    pub const CRED_PROXY: &str = "cred-proxy";
    /// The agent itself, under `seal`.
    pub const AGENT: &str = "agent";
    /// Of a build: pulls a base image, before anything of the Dockerfile runs; a number follows.
    pub const PULL: &str = "pull";
    /// Of a build: lays its lock.
    pub const LOCK: &str = "lock";
    /// Of a build: runs the Dockerfile.
    pub const BUILD: &str = "build";
    /// Of a build: pushes the image, after everything of the Dockerfile has ended.
    pub const PUSH: &str = "push";
    /// Of a trial: hands `seal` over.
    pub const SHARE: &str = "share";
    /// Of a trial: looks for the agent's command.
    pub const PROBE: &str = "probe";
}

/// Ports on the pod's loopback.
pub mod port {
    /// MCP over HTTP.
    pub const SUPERVISE: u16 = 9100;
    /// Credential proxy.
    pub const CRED_PROXY: u16 = 9099;
    /// Forward proxy.
    pub const EGRESS: u16 = 8888;
}

/// Uids inside a bottle's pod; an agent may not take one of the reserved range.
pub mod uid {
    /// `supervise`.
    pub const SUPERVISE: i64 = 61001;
    /// `egress`.
    pub const EGRESS: i64 = 61002;
    /// `cred-proxy`.
    pub const CRED_PROXY: i64 = 61003;
    /// First and last reserved uid.
    pub const RESERVED: std::ops::RangeInclusive<i64> = 61000..=61099;
    /// Group that the sidecars share, to read the state volume and the config.
    pub const SIDECAR_GROUP: i64 = 61000;
    /// Smallest uid of an agent.
    pub const AGENT_MIN: i64 = 1000;
    /// The agent's uid when the Bottle names none.
    pub const AGENT_DEFAULT: i64 = 1000;
}

/// Mount paths and files.
pub mod path {
    /// The ConfigMap, in the sidecars; a directory, never `subPath`.
    pub const CONFIG: &str = "/run/bottle/config";
    /// Memory volume that only sidecars mount: the hashes that they enforce.
    pub const STATE: &str = "/run/bottle/state";
    /// Secrets, one file per NAME, in `prepare` and `cred-proxy` only.
    pub const SECRETS: &str = "/run/bottle/secrets";
    /// A company's certificates, in `cred-proxy` and the agent's container; the file in it is `ca.crt`.
    pub const CA: &str = "/run/bottle/ca";
    /// That file.
    pub const CA_BUNDLE: &str = "/run/bottle/ca/ca.crt";
    /// The image's certificates and those, in the agent's container; `seal` writes it.
    pub const AUTHORITIES: &str = "/bottle/home/.bottle/ca-bundle.crt";
    /// Memory volume that `supervise` and the engine Pipelock share: its config, and `supervise` as its keeper.
    pub const PIPELOCK: &str = "/run/bottle/pipelock";
    /// `supervise` in it.
    pub const PIPELOCK_KEEPER: &str = "/run/bottle/pipelock/supervise";
    /// Memory volume that `prepare` writes and the agent's container reads: `seal` and its instructions.
    pub const SEAL: &str = "/run/bottle/seal";
    /// The `seal` program in the agent's container.
    pub const SEAL_PROGRAM: &str = "/run/bottle/seal/seal";
    /// `supervise` in its own image.
    pub const SUPERVISE_PROGRAM: &str = "/supervise";
    /// `seal`'s instructions, secrets resolved.
    pub const SEAL_INSTRUCTIONS: &str = "/run/bottle/seal/seal.json";
    /// The three public files, read-only, in the agent's container (contract section 1).
    pub const CURRENT_CONFIG: &str = "/etc/claude-bottle/current-config";
    /// Skills, each a directory, read-only, in the agent's container.
    pub const SKILLS: &str = "/run/bottle/skills";
    /// The agent's HOME, a volume.
    pub const HOME: &str = "/bottle/home";
    /// The agent's workspace, unless the Bottle mounts it elsewhere.
    pub const WORKSPACE: &str = "/bottle/workspace";
    /// A build's own directory.
    pub const BUILD: &str = "/build";
    /// The Dockerfile in a build.
    pub const DOCKERFILE: &str = "/run/bottle/dockerfile/Dockerfile";
    /// On one machine, in the container that has a build's network: where its listening socket is handed over.
    pub const HANDOVER: &str = "/run/bottle/handover";
    /// Credentials for a registry, as `config.json`.
    pub const REGISTRY: &str = "/run/bottle/registry";
    /// Outside Kubernetes, in the container `supervise`: where the socket is on which questions are kept.
    pub const STORE: &str = "/run/bottle/store";
    /// That socket.
    pub const STORE_SOCKET: &str = "/run/bottle/store/socket";
    /// Where a container's last word is left, as a kubelet mounts it.
    pub const TERMINATION_LOG: &str = "/dev/termination-log";
    /// Where a pod's service account token is expected by every client library.
    pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
}

/// Keys of the ConfigMap, file names in [`path::CONFIG`].
pub mod file {
    /// cred-proxy's routes.
    pub const ROUTES: &str = "routes.json";
    /// egress' hosts, one a line.
    pub const ALLOWLIST: &str = "allowlist";
    /// The agent image's Dockerfile.
    pub const DOCKERFILE: &str = "Dockerfile";
    /// What the proxies need besides: internal ranges, parent proxy.
    pub const EGRESS: &str = "egress.json";
    /// Decided proposals that still have to be answered, and what is left of the limits.
    pub const DECISIONS: &str = "decisions.json";
    /// `seal`'s instructions, secrets as `${SECRET:NAME}`.
    pub const SEAL: &str = "seal.json";
    /// The last part of [`AUTHORITIES`](super::path::AUTHORITIES).
    pub const AUTHORITIES: &str = "ca-bundle.crt";
    /// What the Bottle and its class declared when they were last valid; for the operator alone.
    pub const DECLARED: &str = "declared.json";
    /// Hash of the enforced files.
    pub const HASH: &str = "hash";
}

/// MCP server name and tool names (contract section 1).
pub mod mcp {
    /// `serverInfo.name`.
    pub const SERVER_INFO_NAME: &str = "claude-bottle-supervise";
    /// The entry's name in an agent's settings.
    pub const SERVER: &str = "supervise";
    /// Notification by which `seal` tells what happened to the agent's settings: `{"lines": ["Word: sentence"]}`.
    pub const REMARKS: &str = "notifications/bot-bottle/settings";
    /// Resource that is listed while answers wait for the agent; reading it takes nothing away.
    pub const ANSWERS: &str = "bot-bottle:///answers";
    /// The URL that an agent's settings carry.
    pub const URL: &str = "http://supervise:9100/";
}

/// Environment variables that the operator sets in a sidecar.
pub mod env {
    /// The Bottle's name.
    pub const BOTTLE_SLUG: &str = "SUPERVISE_BOTTLE_SLUG";
    /// The Bottle's uid; with it the Kubernetes store is used, without it the queue directory.
    pub const BOTTLE_UID: &str = "SUPERVISE_BOTTLE_UID";
    /// Variables of the agent that name a whole bundle of certificate authorities: OpenSSL and what asks its variable
    /// (Codex, Go, Python), curl, Python's requests and pip, git, cargo, the AWS tools, Deno.
    pub const AUTHORITIES: [&str; 8] = [
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "PIP_CERT",
        "GIT_SSL_CAINFO",
        "CARGO_HTTP_CAINFO",
        "AWS_CA_BUNDLE",
        "DENO_CERT",
    ];
    /// The Bottle's namespace.
    pub const NAMESPACE: &str = "SUPERVISE_NAMESPACE";
    /// The socket on which questions are kept, where there is no API server.
    pub const STORE: &str = "SUPERVISE_STORE";
}

/// Values of NO_PROXY and no_proxy in the agent's container (contract section 3).
pub const NO_PROXY: &str = "supervise,cred-proxy,egress,localhost,127.0.0.1";

/// Reason of a Proposal's condition Applied that lets a reviewer correct `finalFile`; a CEL rule reads it.
pub const REASON_INVALID_FINAL_FILE: &str = "InvalidFinalFile";

/// How a container beside a bottle's own ends, where the operator tells one end from another.
pub mod exit {
    /// `push`: the registry was away, which waiting may mend.
    pub const AWAY: u8 = 75;
    /// `push`: the registry would not take the image from us.
    pub const REFUSED: u8 = 77;
}

/// Packets with this mark may leave a build's pod; only who has NET_ADMIN can set it.
pub const BUILD_MARK: u32 = 0x000b_0771;

/// Reason of the Event about a new question; people who named a webhook get the same words there.
pub const NOTICE_PENDING: &str = "ProposalPending";
