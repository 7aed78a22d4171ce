//! Small files that would exhaust memory or time: each run ends below 512 MiB and 10 s, with success or with one error that
//! names the file.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Seek};
use std::time::{Duration, Instant};

use crate::program::{Repository, Run};

const MEMORY: u64 = 512 * 1024;
const TIME: Duration = Duration::from_secs(10);
const PROJECT: i32 = 3;

/// Peak resident size of a process so far, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// Runs `plan`; kills it as soon as it exceeds a limit.
#[track_caller]
fn plan(what: &str, repository: &Repository) -> Run {
    let start = Instant::now();
    // Not through pipes, which would have to be drained meanwhile.
    let [mut stdout, mut stderr] = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let mut command = repository.command(&["plan"]);
    command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let mut most = 0;
    let status = loop {
        most = most.max(peak(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let within = most < MEMORY && start.elapsed() < TIME;
        if !within {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(within, "{what}: {} MiB after {:?}", most / 1024, start.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |file: &mut fs::File| {
        file.rewind().unwrap();
        io::read_to_string(file).unwrap()
    };
    let run = Run { code: status.code(), stdout: text(&mut stdout), stderr: text(&mut stderr) };
    assert!(!run.stderr.contains("[bug/panic]"), "{what}: {run:#?}");
    run
}

fn with(file: &str, content: &str) -> Repository {
    let repository = Repository::next_app();
    repository.write(file, content);
    repository
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, at| {
        let _ = writeln!(text, "{}", line(at));
        text
    })
}

/// A configuration that is not fully evaluated decides nothing: its apparent exports are ignored.
#[test]
fn configurations_that_expand_are_bounded() {
    let text = "x".repeat(64);
    for (what, head, body) in [
        ("doubled lists", "let a = [1];", "a = [...a, ...a];".repeat(40)),
        ("doubled arguments", "const f = (...a) => a; let a = [1];", "a = f(...a, ...a);".repeat(60)),
        ("joined paths", "const p = require('path'); let a = 'x';", "a = p.join(a, a);".repeat(60)),
        ("growing paths", "let a = __dirname;", format!("a = a + '/{text}';\n").repeat(3_000)),
        ("templates", "let a = 'x';", "a = `${a}${a}`;".repeat(60)),
        ("spread objects", "let a = {};", lines(2_000, |at| format!("a = {{ ...a, p{at}: 1 }};"))),
        (
            "calls of calls",
            "const f0 = () => 1;",
            lines(60, |at| format!("const f{} = () => [f{at}(), f{at}()];", at + 1)) + "f60();",
        ),
        ("recursion", "const f = (x) => f(f(x));", "f({});".to_owned()),
        ("destructuring", "let a, b;", lines(1_000, |at| format!("let n{at};")) + &"[a, b] = [b, a];".repeat(8_000)),
        ("long module names", "", lines(2_000, |at| format!("const n{at} = require('{text}')();"))),
        ("many names", "", lines(10_000, |at| format!("let n{at}=n{at}0;"))),
        ("aliases", "let o = {};", lines(8_000, |at| format!("o.a{at} = o; o[x] = 1;"))),
        ("deep calls", "const f = (x) => x;", format!("f({}1{});", "f(".repeat(200), ")".repeat(200))),
        ("nested lists", "let a = [];", "a = [a];".repeat(12_000)),
    ] {
        let repository = with("next.config.mjs", &format!("{head}\n{body}\nexport default {{ basePath: '/a' }};\n"));
        plan(what, &repository).succeeds();
    }
    // Code after the budget is used up would have changed the output.
    let hidden =
        "module.exports = { output: 'standalone' }; const f = (x) => f(f(x)); f({}); module.exports.output = 'export';";
    let run = plan("an export behind", &with("next.config.js", hidden));
    run.succeeds();
    assert!(run.stdout.contains("too complicated to follow"), "{run:#?}");
}

/// Rejected before parsing, which would take gigabytes or hours.
#[test]
fn deeply_nested_configurations_are_rejected() {
    let nested = |open: &str, times: usize| format!("x = {}", open.repeat(times));
    for (file, content) in [
        ("next.config.js", nested("(a=(", 1_000)),
        ("next.config.js", nested("([a=", 5_000)),
        ("next.config.js", nested("({a={", 20_000)),
        ("next.config.js", nested("!", 100_000)),
        ("next.config.js", nested("a=>", 50_000)),
        ("next.config.js", nested("1?1:", 50_000)),
        ("next.config.js", nested("`${", 50_000)),
        ("next.config.js", "if(1){}else ".repeat(15_000)),
        ("next.config.js", "/'/;".to_owned() + &"(".repeat(100_000)),
        ("next.config.js", "{}/'/;".to_owned() + &"(".repeat(100_000)),
        ("next.config.js", "//\u{2028}".to_owned() + &"(".repeat(100_000)),
        ("next.config.js", "<!-- `\n".to_owned() + &"(".repeat(100_000)),
        ("next.config.ts", nested("(a:b=new A<({[", 12)),
        ("next.config.ts", nested("f<{a:({[async()=>", 14)),
        ("next.config.ts", nested("A<(a=", 40)),
        ("next.config.ts", nested("a?(b):c=>", 2_000)),
        ("next.config.ts", nested("a<b,", 50_000)),
        ("next.config.ts", "type X = ".to_owned() + &"A extends B ? ".repeat(10_000)),
        ("next.config.ts", "type X = ".to_owned() + &"keyof ".repeat(20_000)),
    ] {
        let what: String = content.chars().take(30).collect();
        let run = plan(&what, &with(file, &content));
        run.fails(PROJECT, "project/malformed-file").says(file);
    }
}

/// As long and as deeply nested as realistic files.
#[test]
fn long_configurations_are_read() {
    let rule = |at: usize| {
        format!(
            "    {{ source: '/((?!api|_next/static).*)/{at}', headers: [{{ key: `x-${{dev ? 'a' : at < {at} ? 'b' : 'c'}}`, value: a && (b || !c) ? fn({at}, (x: string): boolean => /['\"`(]/.test(x)) : {{ ...d, e: [{at}] }} }}] }},\n"
        )
    };
    let content = format!(
        "import type {{ NextConfig }} from 'next'\nconst dev = process.env.NODE_ENV !== 'production'\nconst headers = async () => [\n{}]\nfunction choose(a: number) {{\n{}  return a\n}}\nconst config: NextConfig = {{ headers, output: 'export' }}\nexport default config\n",
        (0..1_000).map(rule).collect::<String>(),
        lines(500, |at| format!("  if (a === {at}) {{\n    a = a < {at} ? a : {at}\n  }} else if (a! > {at}) a++")),
    );
    let run = plan("a long configuration", &with("next.config.ts", &content));
    run.succeeds();
    assert!(run.stdout.contains("`output: 'export'` in next.config"), "{run:#?}");
}

#[test]
fn nested_script_calls_are_bounded() {
    let manifest =
        |scripts: &str| format!(r#"{{"name":"shop","dependencies":{{"next":"16.4.6"}},"scripts":{{{scripts}}}}}"#);
    let circle = lines(20_000, |at| format!(r#""a{at}":"npm run a{}","#, (at + 1) % 20_000));
    let many = lines(20_000, |at| format!(r#""a:{at}":"x","#));
    let start = |script: &str| format!(r#""build":"next build","start":"{script}""#);
    for (what, scripts) in [
        ("a circle", circle + &start("npm run a0")),
        (
            "a chain that doubles",
            lines(60, |at| format!(r#""b{at}":"npm run b{0} && npm run b{0}","#, at + 1)) + &start("npm run b0"),
        ),
        ("all of many scripts, many times", many + &start(&format!("run-s {}", "a:* ".repeat(2_000)))),
        (
            "a long script, many times",
            format!(r#""b":"{}","#, "x; ".repeat(20_000)) + &start(&format!("run-s {}", "b ".repeat(20_000))),
        ),
        ("many runners", start(&format!("{}next start", "env ".repeat(50_000)))),
        ("quotes", start(&"'\\\\\\\"".repeat(20_000))),
    ] {
        // A program that is no dependency is refused; what is shown of the command is short.
        let run = plan(what, &with("package.json", &manifest(&scripts)));
        assert!(run.code == Some(0) || run.stderr.contains("[plan/program-not-in-image]"), "{what}: {run:#?}");
        assert!(run.stderr.len() < 20_000, "{what}: {}", run.stderr.len());
    }
}

#[test]
fn hostile_version_ranges_are_bounded() {
    let long = "||".repeat(10_000);
    let odd = [
        "~x",
        "=*",
        "^*",
        ">x",
        "<*",
        "* - *",
        "~",
        ">",
        "^>=",
        "99999999999999999999.x",
        ">9007199254740991",
        &long,
        "1.2.3-é",
    ];
    for odd in odd {
        let engines = format!(
            r#"{{"name":"shop","scripts":{{"build":"next build"}},"dependencies":{{"next":"16.4.6"}},"engines":{{"node":"{odd}","npm":"{odd}"}},"packageManager":"npm@{odd}"}}"#
        );
        for (file, content) in [
            ("package.json", engines.as_str()),
            ("package.json", &engines.replace("engines", "volta")),
            ("package.json", &engines.replace("16.4.6", odd)),
            (".nvmrc", odd),
            (".tool-versions", &format!("nodejs {odd}")),
            (
                "package-lock.json",
                &format!(r#"{{"lockfileVersion":3,"packages":{{"node_modules/next":{{"version":"{odd}"}}}}}}"#),
            ),
        ] {
            let short: String = odd.chars().take(30).collect();
            let run = plan(&format!("{short} in {file}"), &with(file, content));
            assert!(matches!(run.code, Some(0 | PROJECT)), "{odd} in {file}: {run:#?}");
            if run.code == Some(PROJECT) {
                run.says("error:").says("hint:");
            }
        }
    }
    let node = |range: &str| {
        let manifest = r#"{"name":"shop","scripts":{"build":"next build"},"dependencies":{"next":"16.4.6"},"engines":{"node":"RANGE"}}"#;
        plan(range, &with("package.json", &manifest.replace("RANGE", range)))
    };
    for any in ["~x", "=*", "^*", "* - *", "||"] {
        node(any).succeeds();
    }
    for none in [">x", "<*", "99999999999999999999.x", "~"] {
        node(none).fails(PROJECT, "project/node-unsupported").says("package.json");
    }
}
