//! The modules that a JavaScript or TypeScript file imports: its text in, their names out.
//!
//! A scanner and no parser: a server may be any code, and only the words `import`, `export … from` and `require` matter. Takes time
//! linear in the text.

/// Bytes of a condition that is read.
const MAX_CONDITION: usize = 300;

/// What the file imports when it runs in production, in order.
pub(super) fn specifiers(text: &str) -> Vec<&str> {
    let mut reader = Reader {
        text,
        tokens: tokens(text),
        at: 0,
        blocks: Vec::new(),
        unreached: 0,
        found: Vec::new(),
        pending: None,
    };
    while reader.at < reader.tokens.len() {
        reader.step();
        reader.at += 1;
    }
    reader.found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    Word,
    /// The content of a string.
    Text,
    Sign(u8),
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: TokenKind,
    start: usize,
    end: usize,
    /// The first token of its line.
    first: bool,
}

/// An open `(`, `{` or `[`.
struct Block {
    /// Where the condition starts, for `if (`.
    condition: Option<usize>,
    /// Nothing in it is reached when a production server starts.
    unreached: bool,
}

/// What the next statement or block is.
enum Pending {
    /// `if` was read.
    Condition,
    /// The statement behind a condition that only development meets.
    Unreached { depth: usize },
    /// The body of `try`, or of the `webpack` function of the configuration, which only a build calls.
    Body { depth: usize },
}

struct Reader<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    blocks: Vec<Block>,
    /// How many of `blocks` are not reached.
    unreached: usize,
    found: Vec<&'t str>,
    pending: Option<Pending>,
}

impl<'t> Reader<'t> {
    fn token(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).copied()
    }

    fn content(&self, token: Token) -> &'t str {
        &self.text[token.start..token.end]
    }

    fn word(&self, at: usize) -> &'t str {
        self.token(at).filter(|token| token.kind == TokenKind::Word).map_or("", |token| self.content(token))
    }

    fn sign(&self, at: usize) -> u8 {
        match self.token(at).map(|token| token.kind) {
            Some(TokenKind::Sign(sign)) => sign,
            _ => 0,
        }
    }

    fn string(&self, at: usize) -> Option<&'t str> {
        self.token(at).filter(|token| token.kind == TokenKind::Text).map(|token| self.content(token))
    }

    fn step(&mut self) {
        let token = self.tokens[self.at];
        let depth = self.blocks.len();
        if matches!(self.pending, Some(Pending::Unreached { depth: at }) if at == depth && token.first) {
            self.pending = None;
        }
        match token.kind {
            TokenKind::Sign(sign) => self.sign_read(sign, token),
            TokenKind::Word => self.word_read(),
            TokenKind::Text => {}
        }
    }

    fn sign_read(&mut self, sign: u8, token: Token) {
        let depth = self.blocks.len();
        match sign {
            b'(' | b'[' | b'{' => {
                let is_condition = sign == b'(' && matches!(self.pending, Some(Pending::Condition));
                let is_body = sign == b'{'
                    && matches!(self.pending, Some(Pending::Unreached { depth: at } | Pending::Body { depth: at }) if at == depth);
                if is_condition || is_body {
                    self.pending = None;
                }
                self.unreached += usize::from(is_body);
                self.blocks.push(Block { condition: is_condition.then_some(token.end), unreached: is_body });
            }
            b')' | b']' | b'}' => {
                let block = self.blocks.pop();
                self.unreached -= usize::from(block.as_ref().is_some_and(|block| block.unreached));
                let start = block.and_then(|block| block.condition);
                let condition = start.map(|start| &self.text[start..token.start]);
                if condition.is_some_and(is_development) {
                    self.pending = Some(Pending::Unreached { depth: self.blocks.len() });
                    // The statement may start on the next line.
                    if let Some(next) = self.tokens.get_mut(self.at + 1) {
                        next.first = false;
                    }
                }
            }
            b';' if matches!(self.pending, Some(Pending::Unreached { depth: at }) if at == depth) => {
                self.pending = None;
            }
            _ => {}
        }
    }

    fn word_read(&mut self) {
        let at = self.at;
        // `a.import`, but not `...import('x')`.
        if self.sign(at.wrapping_sub(1)) == b'.' && self.sign(at.wrapping_sub(2)) != b'.' {
            return;
        }
        let depth = self.blocks.len();
        match self.word(at) {
            "if" => self.pending = Some(Pending::Condition),
            "try" if self.sign(at + 1) == b'{' => self.pending = Some(Pending::Body { depth }),
            "webpack" if matches!(self.sign(at + 1), b':' | b'(') && depth > 0 => {
                self.pending = Some(Pending::Body { depth });
            }
            "require" | "import" if self.sign(at + 1) == b'(' => self.call(),
            "import" | "export" => self.declaration(),
            _ => {}
        }
    }

    /// `require('x')` and `import('x')`.
    fn call(&mut self) {
        let Some(specifier) = self.string(self.at + 2) else { return };
        let unreached = self.unreached > 0
            || matches!(self.pending, Some(Pending::Unreached { .. }))
            || self.guard().is_some_and(is_development);
        if !unreached {
            self.found.push(specifier);
        }
    }

    /// The condition in `condition ? require('x')` and `condition && require('x')`.
    fn guard(&self) -> Option<&'t str> {
        let mut before = self.at.checked_sub(1)?;
        while self.sign(before) == b'(' || self.word(before) == "await" {
            before = before.checked_sub(1)?;
        }
        if !matches!(self.sign(before), b'?' | b'&') {
            return None;
        }
        let end = self.token(before)?.start;
        let start = self.text[..end].rfind(['\n', ';', '{', '(']).map_or(0, |at| at + 1);
        Some(&self.text[start..end])
    }

    /// `import … from 'x'`, `import 'x'`, `export … from 'x'`.
    fn declaration(&mut self) {
        let start = self.at + 1;
        if self.word(self.at) == "import"
            && let Some(specifier) = self.string(start)
        {
            return self.found.push(specifier);
        }
        let is_type =
            self.word(start) == "type" && !matches!(self.sign(start + 1), b',') && self.word(start + 1) != "from";
        let clause = |at: &usize| {
            let token = self.token(*at);
            let name = |sign: u8| matches!(sign, b'{' | b'}' | b',' | b'*');
            token.is_some_and(|token| match token.kind {
                TokenKind::Sign(sign) => name(sign),
                TokenKind::Word => !matches!(self.word(*at), "from" | "import" | "export"),
                TokenKind::Text => false,
            })
        };
        let from = (start..self.tokens.len()).find(|at| !clause(at)).unwrap_or(start);
        let Some(specifier) = self.string(from + 1).filter(|_| self.word(from) == "from") else { return };
        if !is_type && !self.only_types(start, from) {
            self.found.push(specifier);
        }
        // The braces of the clause are no block.
        self.at = from + 1;
    }

    /// True for `{ type A, type B }`.
    fn only_types(&self, start: usize, end: usize) -> bool {
        let starts = |at: &usize| matches!(self.sign(at - 1), b'{' | b',') && self.sign(*at) != b'}';
        self.sign(start) == b'{' && end > start + 2 && (start + 1..end).filter(starts).all(|at| self.word(at) == "type")
    }
}

/// True when a condition holds in development, in tests or in the build only.
fn is_development(condition: &str) -> bool {
    if condition.len() > MAX_CONDITION {
        return false;
    }
    let condition = condition.to_ascii_lowercase();
    let names = ["dev", "analy", "test", "debug", "phase_production_build", "storybook"];
    !condition.contains('!') && names.iter().any(|name| condition.contains(name))
}

/// Words, strings and signs; comments and regular expressions are left out.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens: Vec<Token> = Vec::new();
    // For each `${` of a template the number of braces that are open in it.
    let mut templates: Vec<usize> = Vec::new();
    let (mut at, mut first) = (0, true);
    while let Some(byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b'\n' => {
                first = true;
                None
            }
            byte if byte.is_ascii_whitespace() => None,
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = find(bytes, at, b"\n");
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = (find(bytes, at + 2, b"*/") + 2).min(bytes.len());
                continue;
            }
            b'/' if starts_expression(text, &tokens) => {
                at = end_of_expression(bytes, at);
                continue;
            }
            b'\'' | b'"' => {
                at = end_of_string(bytes, at);
                Some(TokenKind::Text)
            }
            b'`' => {
                at = end_of_template(bytes, at + 1, &mut templates);
                Some(TokenKind::Text)
            }
            b'}' if templates.last() == Some(&0) => {
                templates.pop();
                at = end_of_template(bytes, at + 1, &mut templates);
                continue;
            }
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#') || *byte >= 0x80 => {
                let is_word =
                    |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#') || *byte >= 0x80;
                at += bytes[at..].iter().take_while(|byte| is_word(byte)).count() - 1;
                Some(TokenKind::Word)
            }
            byte => {
                count_brace(*byte, &mut templates);
                Some(TokenKind::Sign(*byte))
            }
        };
        at += 1;
        if let Some(kind) = kind {
            let inner = usize::from(kind == TokenKind::Text);
            let end = at.min(bytes.len());
            tokens.push(Token { kind, start: start + inner, end: (end - inner).max(start + inner), first });
            first = false;
        }
    }
    tokens
}

/// Braces in a template end with it.
fn count_brace(byte: u8, templates: &mut [usize]) {
    if let Some(open) = templates.last_mut() {
        *open = match byte {
            b'{' => *open + 1,
            b'}' => open.saturating_sub(1),
            _ => *open,
        };
    }
}

/// Where `pattern` starts at or behind `at`, else the end.
fn find(bytes: &[u8], at: usize, pattern: &[u8]) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.windows(pattern.len()).position(|window| window == pattern).map_or(bytes.len(), |found| at + found)
}

/// The closing quote, or the last byte of the line.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' => return at - 1,
            byte if *byte == bytes[start] => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len() - 1
}

/// The closing `` ` ``, or the `{` of the next `${`.
fn end_of_template(bytes: &[u8], mut at: usize, templates: &mut Vec<usize>) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'`' => return at,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                templates.push(0);
                return at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// True when a `/` begins a regular expression rather than dividing something.
fn starts_expression(text: &str, tokens: &[Token]) -> bool {
    tokens.last().is_none_or(|token| match token.kind {
        TokenKind::Sign(sign) => !matches!(sign, b')' | b']' | b'}'),
        TokenKind::Word => matches!(&text[token.start..token.end], "return" | "typeof" | "case" | "in" | "of"),
        TokenKind::Text => false,
    })
}

fn end_of_expression(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    let mut class = false;
    while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'\n') {
        match byte {
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(specifiers(text), expected, "{text}");
    }

    #[test]
    fn every_spelling_of_an_import() {
        check(
            "import 'a'\nimport b from \"b\"; import * as c from 'c'\nimport d, { e as f, g } from 'd'",
            &["a", "b", "c", "d"],
        );
        check("export * from 'a'; export { b } from 'b'; export const c = { from: 'x' }", &["a", "b"]);
        check(
            "const a = require('a'), { b } = require(`b`); x.require('c'); const d = await import('d')",
            &["a", "b", "d"],
        );
        check("import a = require('a')\nimport.meta.url", &["a"]);
        check(
            "// import 'a'\n/* require('b') */ 'require(\"c\")'; `require('d') ${require('e')}`; /require('f')/",
            &["e"],
        );
        check("import type { A } from 'a'; import { type B, type C } from 'b'; import { type D, E } from 'd'", &["d"]);
        check("import { a }\n  from 'a'\nexport type { B } from 'b'", &["a"]);
    }

    #[test]
    fn only_what_production_reaches() {
        check("if (dev) require('a'); require('b')", &["b"]);
        check("if (process.env.NODE_ENV === 'development') {\n  require('a')\n}\nrequire('b')", &["b"]);
        check("if (dev)\n  require('a')\nrequire('b')", &["b"]);
        check("if (!dev) { require('a') } else { require('b') }", &["a", "b"]);
        check("const a = process.env.ANALYZE === 'true' ? require('a')() : (x) => x", &[]);
        check("process.env.ANALYZE && require('a')", &[]);
        check("try { require('a') } catch { }\nrequire('b')", &["b"]);
        check("module.exports = { webpack: (config, { dev }) => { new (require('a'))() }, x: require('b') }", &["b"]);
        check("module.exports = { webpack(config) { require('a') } }\nrequire('b')", &["b"]);
        check("module.exports = async (phase) => { if (phase === PHASE_PRODUCTION_BUILD) { await import('a') } }", &[]);
        check("if (process.env.NODE_ENV === 'production') { require('a') }", &["a"]);
    }

    #[test]
    fn text_that_ends_early() {
        for text in
            ["'", "`${", "require(", "import", "import {", "/", "/*", "/[", "if (", "import x from", "\\", "é'é"]
        {
            check(text, &[]);
        }
    }
}
