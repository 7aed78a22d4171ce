//! How deep a configuration is nested and how often a parser would read it again, counted before it is parsed.
//!
//! The parser recurses, and rewinds where `(`, `[`, `{` or `<` may begin a pattern, type arguments or an arrow function:
//! oxc 0.146 needs time and memory quadratic in the nesting of JavaScript, and exponential in that of TypeScript. In: the
//! text. Out: where it becomes too much. One linear pass over the tokens; never builds anything.

/// Levels of brackets, prefix operators, conditionals, arrows and `else if` in total.
const MAX_DEPTH: u32 = 512;
/// Estimated work of the parser, in tokens read.
const MAX_WORK: f64 = 5_000_000.0;
/// Factor by which a level of TypeScript multiplies the work, measured: the worst combinations double it every second level.
const REWIND: f64 = 1.4;

/// Words that do not end an operand: a `/` after them begins a regular expression.
const BEFORE_OPERAND: &[&str] = &[
    "abstract",
    "asserts",
    "await",
    "case",
    "default",
    "delete",
    "do",
    "else",
    "extends",
    "in",
    "infer",
    "instanceof",
    "keyof",
    "new",
    "readonly",
    "return",
    "throw",
    "typeof",
    "unique",
    "void",
    "yield",
];
/// Words whose repetition nests.
const NESTING: &[&str] = &[
    "abstract", "asserts", "async", "await", "delete", "do", "else", "extends", "for", "if", "infer", "is", "keyof",
    "new", "readonly", "typeof", "unique", "void", "while", "with", "yield",
];
/// Words whose parentheses are followed by a statement.
const CONTROL: &[&str] = &["for", "if", "while", "with"];
/// Words that continue an expression or a statement after an operand.
const CONTINUING: &[&str] =
    &["as", "catch", "else", "extends", "finally", "from", "in", "instanceof", "is", "of", "satisfies", "while"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Group,
    /// `(` after `if`, `for`, `while`, `with`.
    Control,
    Square,
    Brace,
    /// `${` in a template.
    Template,
    /// A `<` that may begin type parameters, or compares.
    Angle,
}

/// One open bracket.
#[derive(Debug, Clone, Copy)]
struct OpenBracket {
    bracket: Bracket,
    /// Nesting inside it without brackets, since the last separator.
    chain: u32,
    work: f64,
}

/// Kind of the previous token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// An operator or a separator: an operand follows.
    Operator,
    /// `)` of a call or group, `]`, a literal, a name.
    Operand,
    /// `}`, which ends an operand or a statement.
    Brace,
    /// `)` of `if (…)`.
    Condition,
    /// A name or operator after which `/` may be either.
    Ambiguous,
    /// `if` and its like.
    ControlWord,
    Arrow,
    /// `.` or `?.`: the next word is a property.
    Dot,
}

/// Reads the tokens of one file.
struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    typescript: bool,
    levels: Vec<OpenBracket>,
    /// Levels and their chains together.
    depth: u32,
    work: f64,
    before: Before,
    newline: bool,
}

/// The byte offset at which the text is nested too deeply to be parsed within bounds.
pub(super) fn too_deep(text: &str, typescript: bool) -> Option<usize> {
    let mut scanner = Scanner {
        text: text.as_bytes(),
        at: 0,
        typescript,
        levels: vec![OpenBracket { bracket: Bracket::Brace, chain: 0, work: 1.0 }],
        depth: 1,
        work: 0.0,
        before: Before::Operator,
        newline: true,
    };
    scanner.run().err()
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), usize> {
        // A byte order mark.
        if self.text.starts_with(&[0xef, 0xbb, 0xbf]) {
            self.at = 3;
        }
        if self.text[self.at..].starts_with(b"#!") {
            self.skip_line();
        }
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            if !self.token(byte)? {
                return self.count_everything(start);
            }
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn top(&mut self) -> &mut OpenBracket {
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// Reads one token; false when what follows is ambiguous.
    fn token(&mut self, byte: u8) -> Result<bool, usize> {
        let start = self.at;
        let rest = &self.text[start..];
        match byte {
            b'\n' | b'\r' => {
                self.newline = true;
                self.at += 1;
                return Ok(true);
            }
            b' ' | b'\t' | 0x0b | 0x0c => {
                self.at += 1;
                return Ok(true);
            }
            _ if rest.starts_with(b"//") => {
                self.skip_line();
                // U+2028 and U+2029 end a line, too.
                let comment = &self.text[start..self.at];
                let ends_line = |bytes: &[u8]| matches!(bytes, [0xe2, 0x80, 0xa8 | 0xa9]);
                return Ok(!comment.windows(3).any(ends_line));
            }
            _ if rest.starts_with(b"/*") => {
                let end = rest.windows(2).skip(2).position(|end| end == b"*/").map_or(rest.len(), |at| at + 4);
                self.newline |= rest[..end].contains(&b'\n');
                self.at += end;
                return Ok(true);
            }
            // HTML comments, which only exist in scripts, and letters and spaces that are not ASCII.
            _ if rest.starts_with(b"<!--") || (self.newline && rest.starts_with(b"-->")) || !byte.is_ascii() => {
                return Ok(false);
            }
            _ => {}
        }
        self.work += self.top().work * f64::from(self.depth);
        if self.work > MAX_WORK || self.depth > MAX_DEPTH {
            return Err(self.at);
        }
        let known = self.symbol(byte);
        self.newline = false;
        Ok(known)
    }

    fn symbol(&mut self, byte: u8) -> bool {
        let rest = &self.text[self.at..];
        let operand = matches!(self.before, Before::Operand | Before::Brace);
        let mut length = 1;
        let mut before = Before::Operator;
        match byte {
            b'\'' | b'"' => {
                self.skip_string(byte);
                length = 0;
                before = Before::Operand;
            }
            b'`' => {
                self.at += 1;
                self.template();
                return true;
            }
            b'(' | b'[' | b'{' | b')' | b']' | b'}' => match self.bracket(byte, operand) {
                Some(found) => before = found,
                None => return true,
            },
            b'<' if self.typescript => {
                self.open(Bracket::Angle, true);
                length = 1 + usize::from(matches!(rest.get(1), Some(b'=')));
            }
            b'>' if self.top().bracket == Bracket::Angle => {
                self.pop();
                before = Before::Ambiguous;
            }
            b'/' => match self.before {
                Before::Operand => {}
                Before::Brace | Before::Ambiguous => return false,
                _ => {
                    self.skip_regex();
                    length = 0;
                    before = Before::Operand;
                }
            },
            b';' => {
                while self.top().bracket == Bracket::Angle {
                    self.pop();
                }
                self.end_chain();
            }
            b',' => self.end_chain(),
            b'=' if rest.starts_with(b"=>") => {
                self.chain();
                length = 2;
                before = Before::Arrow;
            }
            b'=' => {
                let comparison = rest.iter().take_while(|byte| **byte == b'=').count();
                self.chain();
                length = comparison;
            }
            b'?' if rest.starts_with(b"?.") && !rest.get(2).is_some_and(u8::is_ascii_digit) => {
                length = 2;
                before = Before::Dot;
            }
            b'?' if rest.starts_with(b"??") => length = 2,
            // `a!` of TypeScript.
            b'!' if operand && !self.newline => {
                before = Before::Operand;
            }
            b'*' if rest.starts_with(b"**") => {
                self.chain();
                length = 2;
            }
            b'+' | b'-' if rest.get(1) == Some(&byte) => {
                self.chain();
                length = 2;
                before = if operand { Before::Operand } else { Before::Operator };
            }
            b'+' | b'-' if operand => {}
            b'?' | b':' | b'!' | b'~' | b'@' | b'+' | b'-' => self.chain(),
            b'.' if rest.starts_with(b"...") => {
                self.chain();
                length = 3;
            }
            b'.' if !rest.get(1).is_some_and(u8::is_ascii_digit) => before = Before::Dot,
            _ if is_word(byte) || byte == b'.' => {
                let end = rest.iter().position(|byte| !is_word(*byte) && *byte != b'\\').unwrap_or(rest.len()).max(1);
                before = self.word(end);
                length = end;
            }
            _ => {}
        }
        self.at += length;
        self.before = before;
        true
    }

    /// Opens or closes a bracket; `None` when a template continues after it.
    fn bracket(&mut self, byte: u8, operand: bool) -> Option<Before> {
        match byte {
            b'(' => {
                let control = self.before == Before::ControlWord;
                let ambiguous = !operand;
                self.open(if control { Bracket::Control } else { Bracket::Group }, ambiguous && !control);
            }
            b'[' => self.open(Bracket::Square, true),
            b'{' => {
                let block = matches!(self.before, Before::Operand | Before::Brace | Before::Condition | Before::Arrow);
                self.open(Bracket::Brace, !block);
            }
            b')' | b']' => {
                let closed = self.close(byte);
                return Some(if closed == Some(Bracket::Control) { Before::Condition } else { Before::Operand });
            }
            b'}' => {
                if self.close(byte) == Some(Bracket::Template) {
                    self.at += 1;
                    self.template();
                    return None;
                }
                return Some(Before::Brace);
            }
            _ => {}
        }
        Some(Before::Operator)
    }

    /// A name, keyword or number of this length.
    fn word(&mut self, length: usize) -> Before {
        let word = std::str::from_utf8(&self.text[self.at..self.at + length]).unwrap_or_default();
        if self.before == Before::Dot {
            return Before::Operand;
        }
        let ends_statement = match self.before {
            Before::Brace => true,
            Before::Operand => self.newline,
            _ => false,
        };
        if ends_statement && !CONTINUING.contains(&word) {
            while self.top().bracket == Bracket::Angle {
                self.pop();
            }
            self.end_chain();
        }
        if NESTING.contains(&word) {
            self.chain();
        }
        match word {
            _ if CONTROL.contains(&word) => Before::ControlWord,
            "await" if self.before == Before::ControlWord => Before::ControlWord,
            "as" | "await" | "satisfies" | "yield" | "of" | "async" | "let" | "abstract" | "asserts" | "infer"
            | "keyof" | "readonly" | "unique" | "is" => Before::Ambiguous,
            _ if BEFORE_OPERAND.contains(&word) => Before::Operator,
            _ => Before::Operand,
        }
    }

    fn open(&mut self, bracket: Bracket, ambiguous: bool) {
        let factor = if self.typescript && ambiguous { REWIND } else { 1.0 };
        let work = self.top().work * factor;
        self.levels.push(OpenBracket { bracket, chain: 0, work });
        self.depth += 1;
    }

    fn chain(&mut self) {
        self.top().chain += 1;
        self.depth += 1;
    }

    fn end_chain(&mut self) {
        self.depth -= std::mem::take(&mut self.top().chain);
    }

    fn pop(&mut self) -> Option<Bracket> {
        if self.levels.len() == 1 {
            return None;
        }
        let level = self.levels.pop()?;
        self.depth -= 1 + level.chain;
        Some(level.bracket)
    }

    /// Closes the innermost bracket of this kind; the parser reports unmatched ones.
    fn close(&mut self, byte: u8) -> Option<Bracket> {
        while self.top().bracket == Bracket::Angle {
            self.pop();
        }
        let fits = match self.top().bracket {
            Bracket::Group | Bracket::Control => byte == b')',
            Bracket::Square => byte == b']',
            Bracket::Brace | Bracket::Template => byte == b'}',
            Bracket::Angle => false,
        };
        if fits { self.pop() } else { None }
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
    }

    fn skip_string(&mut self, quote: u8) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.at += 2,
                b'\n' | b'\r' => return,
                _ => self.at += 1,
            }
            if byte == quote {
                return;
            }
        }
    }

    fn skip_regex(&mut self) {
        self.at += 1;
        let mut class = false;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'\n' | b'\r' => return,
                _ => {}
            }
            self.at += 1;
            if byte == b'/' && !class {
                return;
            }
        }
    }

    /// The text of a template up to its end or the next `${`.
    fn template(&mut self) {
        self.before = Before::Operand;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.at += 2,
                b'`' => {
                    self.at += 1;
                    return;
                }
                b'$' if self.peek(1) == Some(b'{') => {
                    self.at += 2;
                    self.open(Bracket::Template, true);
                    self.before = Before::Operator;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    /// Once strings, comments and regular expressions cannot be distinguished from code, everything that may nest counts.
    fn count_everything(&mut self, from: usize) -> Result<(), usize> {
        let mut work = self.top().work;
        let rest = &self.text[from..];
        for (at, byte) in rest.iter().enumerate() {
            let begins_word = byte.is_ascii_alphabetic() && (at == 0 || !rest[at - 1].is_ascii_alphabetic());
            let letters = rest[at..].split(|byte| !byte.is_ascii_alphabetic()).next().filter(|_| begins_word);
            let nests = letters.is_some_and(|letters| NESTING.iter().any(|nesting| nesting.as_bytes() == letters));
            if nests || b"([{<?:=!~+-*@`".contains(byte) {
                self.depth += 1;
            }
            if self.typescript && b"([{<`".contains(byte) {
                work *= REWIND;
            }
            self.work += work * f64::from(self.depth);
            if self.work > MAX_WORK || self.depth > MAX_DEPTH {
                return Err(from + at);
            }
        }
        Ok(())
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#')
}

#[cfg(test)]
mod tests {
    use super::too_deep;

    /// Repeated many times, since nesting must not add up over statements, elements and comments.
    #[test]
    fn consecutive_statements_do_not_nest() {
        for line in [
            "a = b ? c : d\n",
            "if (a) b()\n",
            "if (a < b) { c = !d } else if (e) f++\n",
            "// — a comment with a dash, it's (unbalanced\n",
            "/* `${( */ x = /[/'\"`(]/.test(y) && !/(/.test(z)\n",
            "x = { a: b ? c : d, 'e(': `f(${g ? `${h}` : '('}`, i: (j, k) => l };\n",
            "for (let i = 0; i < n; i++) new A(typeof b)\n",
            "export const f = async (a, { b = 1 }) => await c\n",
            "type A = B extends C<D> ? E : F\n",
            "const x: Map<string, Array<A<B>>> = new Map<string, Array<A<B>>>()\n",
            "x = a! / 2 + b as unknown as (c: D) => E\n",
        ] {
            assert_eq!(too_deep(&line.repeat(1_000), true), None, "{line}");
            assert_eq!(too_deep(&line.repeat(1_000), false), None, "{line}");
        }
    }

    #[test]
    fn nothing_hides_nesting() {
        let deep = "(".repeat(2_000);
        for before in [
            "",
            "'\\\n';",
            "/'/;",
            "a = {} / '",
            "//\u{2028}",
            "/*/*/",
            "<!-- `\n",
            "\u{a0}`${`",
            "`${'}'}`",
            "a++ / '",
            "x! / '",
            "if (a) /'/;",
            "a.return / '",
            "f<a> / '",
            "yield / '",
            "#!'\n",
            "\u{feff}#!'\n",
        ] {
            assert!(too_deep(&format!("{before}\n{deep}"), true).is_some(), "{before}");
        }
    }
}
