//! How a program is given its servers, its prompt and its place.

use super::{PLACE, rendered, settings};
use bot_bottle::agents::{RenderError, render};
use serde_json::json;

fn refused(value: serde_json::Value) -> RenderError {
    render(&settings(value), &PLACE).unwrap_err()
}

#[test]
fn a_servers_token_becomes_a_route_and_is_written_nowhere() {
    let with = json!({"kind": "claude", "supervise": false,
        "mcpServers": {"hub": {"url": "https://hub.example.com/mcp/?x=1", "token": "HUB"}}});
    let rendered = rendered(with);
    let entry = &rendered.fragments[0].merge["mcpServers"]["hub"];
    assert_eq!(
        *entry,
        json!({"type": "http", "url": "http://cred-proxy:9099/mcp/hub/?x=1"})
    );
    assert!(!format!("{:?}", rendered.fragments).contains("HUB"));
}

#[test]
fn ours_is_given_once_more_where_it_beats_the_projects() {
    let project = |kind: &str| rendered(json!({"kind": kind})).project.unwrap();
    for kind in ["claude", "codex", "qwen", "opencode", "copilot"] {
        assert_eq!(project(kind).shielded, ["supervise"], "{kind}");
    }
    for kind in ["gemini", "droid", "amp", "vibe", "cursor"] {
        assert!(project(kind).shielded.is_empty(), "{kind}");
    }
    let claude = rendered(json!({"kind": "claude", "args": ["--model", "m"]}));
    assert_eq!(
        claude.start,
        [
            "claude",
            "--mcp-config=/bottle/home/.bottle/mcp.json",
            "--model",
            "m"
        ]
    );
    assert_eq!(
        claude.resume,
        [
            "claude",
            "--mcp-config=/bottle/home/.bottle/mcp.json",
            "--continue",
            "--model",
            "m"
        ]
    );
    // A command of one's own has flags of its own.
    let own = rendered(json!({"kind": "claude", "command": ["sleep"], "args": ["9"]}));
    assert_eq!(own.start, ["sleep", "9"]);
    assert!(own.resume.is_empty() && own.project.unwrap().shielded.is_empty());
}

#[test]
fn flag_and_env_leave_the_homes_own_list_alone() {
    let servers = json!({"db": {"command": "db", "args": ["-x"]}});
    let codex = rendered(json!({"kind": "codex", "injection": "flag", "mcpServers": servers}));
    assert_eq!(codex.fragments[0].merge.get("mcp_servers"), None);
    assert_eq!(codex.fragments[0].entries, ["mcp_servers"]);
    assert_eq!(
        codex.start,
        [
            "codex",
            "-c",
            r#"mcp_servers.db={"args" = ["-x"], "command" = "db"}"#,
            "-c",
            r#"mcp_servers.supervise={"default_tools_approval_mode" = "approve", "tool_timeout_sec" = 86400, "url" = "http://supervise:9100/"}"#,
        ]
    );
    let opencode = rendered(json!({"kind": "opencode", "injection": "env", "mcpServers": servers}));
    let content: serde_json::Value =
        serde_json::from_str(&opencode.env["OPENCODE_CONFIG_CONTENT"]).unwrap();
    assert_eq!(
        content["mcp"]["db"],
        json!({"type": "local", "command": ["db", "-x"]})
    );
    assert_eq!(opencode.project.unwrap().shielded, ["db", "supervise"]);
}

#[test]
fn exec_runs_the_programs_own_command() {
    let claude = rendered(json!({"kind": "claude", "injection": "exec"}));
    assert_eq!(
        claude.exec[0].add.join(" "),
        "claude mcp add --scope user --transport http supervise http://supervise:9100/"
    );
    let state = claude
        .fragments
        .iter()
        .find(|one| one.path == ".claude.json");
    assert_eq!(state.unwrap().merge.get("mcpServers"), None);
}

#[test]
fn what_a_mode_can_not_do_is_refused() {
    let secret = json!({"db": {"command": "db", "env": {"A": "${SECRET:A}"}}});
    let rows = [
        (
            json!({"kind": "droid", "injection": "flag"}),
            RenderError::InjectionUnsupported {
                kind: "droid".into(),
                mode: "flag",
            },
        ),
        (
            json!({"kind": "claude", "injection": "flag", "command": ["x"]}),
            RenderError::FlagNeedsOwnCommand,
        ),
        (
            json!({"kind": "codex", "injection": "flag", "mcpServers": secret}),
            RenderError::SecretNeedsFile {
                server: "db".into(),
                mode: "flag",
            },
        ),
        (
            json!({"kind": "opencode", "injection": "env", "mcpServers": secret}),
            RenderError::SecretNeedsFile {
                server: "db".into(),
                mode: "env",
            },
        ),
        (
            json!({"kind": "claude", "injection": "exec", "mcpServers": {"db": {"command": "db"}}}),
            RenderError::ExecNeedsPlainServer("db".into()),
        ),
        (
            json!({"kind": "claude", "command": ["x"], "prompt": "y"}),
            RenderError::PromptNeedsOwnCommand,
        ),
        (
            json!({"kind": "antigravity", "command": [], "prompt": "y"}),
            RenderError::NoPrompt {
                kind: "antigravity".into(),
                how: "without a terminal",
            },
        ),
        (
            json!({"kind": "claude", "settings_path": "x", "settingsPath": "../x"}),
            RenderError::SettingsPath("../x".into()),
        ),
        (
            json!({"kind": "amp", "settingsPath": "x"}),
            RenderError::NoSettingsPath("amp".into()),
        ),
        (
            json!({"kind": "custom", "program": {"files": [{"path": "../../etc/x", "merge": {}}]}}),
            RenderError::Path("../../etc/x".into()),
        ),
    ];
    for (input, error) in rows {
        assert_eq!(refused(input.clone()), error, "{input}");
    }
    // A file of ours may hold what a command line must not.
    for kind in ["claude", "qwen"] {
        rendered(json!({"kind": kind, "injection": "flag", "mcpServers": secret}));
    }
}

#[test]
fn a_prompt_is_a_headless_run_or_the_first_message() {
    let run = rendered(
        json!({"kind": "codex", "injection": "exec", "supervise": false, "prompt": "-fix {x}"}),
    );
    assert_eq!(
        run.start,
        [
            "codex",
            "exec",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            " -fix {x}"
        ]
    );
    assert_eq!(run.resume[4..], ["resume", "--last", " -fix {x}"]);
    let talk = rendered(json!({"kind": "gemini", "tty": true, "prompt": "hello"}));
    assert_eq!(talk.start, ["gemini", "-i", "hello"]);
    assert_eq!(talk.resume, ["gemini", "-r", "latest"]);
}

#[test]
fn settings_move_as_a_whole() {
    let paths = |kind: &str| {
        let moved = rendered(json!({"kind": kind, "settingsPath": "cfg/a"}));
        let paths: Vec<String> = moved.fragments.iter().map(|one| one.path.clone()).collect();
        (paths.join(" "), moved.env, moved.conversation)
    };
    let (files, env, conversation) = paths("claude");
    assert_eq!(
        files,
        ".bottle/mcp.json cfg/a/.claude.json cfg/a/settings.json"
    );
    assert_eq!(env["CLAUDE_CONFIG_DIR"], "/bottle/home/cfg/a");
    assert_eq!(conversation, ["cfg/a/projects"]);
    let (files, env, _) = paths("gemini");
    assert_eq!(files, "cfg/a/.gemini/settings.json");
    assert_eq!(env["GEMINI_CLI_HOME"], "/bottle/home/cfg/a");
    assert_eq!(paths("opencode").0, "cfg/a/opencode/opencode.json");
}

#[test]
fn a_model_that_is_paid_for_is_reached_by_cred_proxy_with_a_dummy_key() {
    let claude = rendered(json!({"kind": "claude", "modelSecret": "ANTHROPIC"}));
    assert_eq!(
        claude.env["ANTHROPIC_BASE_URL"],
        "http://cred-proxy:9099/model"
    );
    assert_eq!(claude.env.get("ANTHROPIC_MODEL"), None);
    let state = claude
        .fragments
        .iter()
        .find(|one| one.path == ".claude.json")
        .unwrap();
    let approved = &state.merge["customApiKeyResponses"]["approved"][0];
    assert!(claude.env["ANTHROPIC_API_KEY"].ends_with(approved.as_str().unwrap()));
    assert_eq!(approved.as_str().unwrap().len(), 20);

    let opencode = rendered(json!({"kind": "opencode", "modelSecret": "K", "model": "m"}));
    let file = &opencode.fragments[0].merge;
    assert_eq!(file["model"], "bottle/m");
    assert_eq!(
        file["provider"]["bottle"]["options"]["baseURL"],
        "http://cred-proxy:9099/model/v1"
    );
    assert_eq!(file["provider"]["bottle"]["models"], json!({"m": {}}));
}

#[test]
fn a_class_can_bring_a_program_that_nobody_knows() {
    let program = json!({
        "start": ["newt"], "headless": ["newt", "--do", "{prompt}"],
        "servers": {"file": ".newt/rc.toml", "format": "toml", "key": "tools", "list": true,
                    "supervise": {"name": "{name}", "at": "{url}"}},
    });
    let newt = rendered(json!({"kind": "custom", "program": program, "prompt": "x"}));
    assert_eq!(newt.start, ["newt", "--do", "x"]);
    assert_eq!(newt.fragments[0].path, ".newt/rc.toml");
    assert_eq!(
        newt.fragments[0].merge,
        json!({"tools": [{"name": "supervise", "at": "http://supervise:9100/"}]})
    );
}
