//! Glob matching in linear memory and without backtracking, so that no pattern can make it slow.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: one character, not `/`.
    One,
    /// `*`: any characters but `/`.
    Many,
    /// `**` or `**/` before more: optionally anything up to and with a `/`; always followed by `Within`.
    Folders,
    /// The inside of `Folders`.
    Within,
    /// `**` at the end.
    All,
    /// `[a-z]`, `[^a-z]`. A negated class matches `/` as well, as in Docker.
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

type Input<'a> = Peekable<Chars<'a>>;

/// Refuses what Go's `filepath.Match` calls a syntax error. The error completes the sentence "pattern … ".
pub(super) fn check(pattern: &str) -> Result<(), &'static str> {
    let mut input = pattern.chars().peekable();
    while let Some(c) = input.next() {
        match c {
            '\\' => drop(input.next().ok_or("ends with `\\`, which escapes nothing")?),
            '[' => drop(class(&mut input).ok_or("has a `[` without a complete `[…]` (`\\[` is a plain bracket)")?),
            _ => {}
        }
    }
    Ok(())
}

/// The rest of a class, after its `[`.
fn class(input: &mut Input) -> Option<Token> {
    let is_negated = input.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || input.next_if_eq(&']').is_none() {
        let low = class_char(input)?;
        let high = if input.next_if_eq(&'-').is_some() { class_char(input)? } else { low };
        if low > high {
            return None;
        }
        ranges.push((low, high));
    }
    Some(Token::Class { is_negated, ranges })
}

fn class_char(input: &mut Input) -> Option<char> {
    match input.next()? {
        '-' | ']' => None,
        '\\' => input.next(),
        c => Some(c),
    }
}

impl Glob {
    /// `pattern` has passed [`check`].
    pub fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        let mut input = pattern.chars().peekable();
        while let Some(c) = input.next() {
            let token = match c {
                '*' if input.next_if_eq(&'*').is_some() => {
                    input.next_if_eq(&'/');
                    if input.peek().is_none() {
                        Token::All
                    } else {
                        tokens.push(Token::Folders);
                        Token::Within
                    }
                }
                '*' => Token::Many,
                '?' => Token::One,
                '[' => class(&mut input).unwrap_or(Token::Char('[')),
                '\\' => Token::Char(input.next().unwrap_or('\\')),
                c => Token::Char(c),
            };
            // Repeated wildcards mean the same as one; so ways without a character stay short.
            match token {
                Token::Many if tokens.last() == Some(&Token::Many) => {}
                Token::Within if tokens.ends_with(&[Token::Within, Token::Folders]) => drop(tokens.pop()),
                token => tokens.push(token),
            }
        }
        Self(tokens)
    }

    /// Follows all ways through the tokens at once, and counts them.
    pub fn matches(&self, text: &str, steps: &mut u64) -> bool {
        *steps += self.0.len() as u64;
        let mut states = States::new(self.0.len() + 1);
        let mut next = States::new(self.0.len() + 1);
        self.enter(0, &mut states);
        for c in text.chars() {
            for &state in &states.active {
                self.step(state, c, &mut next);
                *steps += match self.0.get(state) {
                    Some(Token::Class { ranges, .. }) => ranges.len() as u64,
                    _ => 4,
                };
            }
            std::mem::swap(&mut states, &mut next);
            next.clear();
            if states.active.is_empty() {
                return false;
            }
        }
        states.is_active[self.0.len()]
    }

    /// Adds `state` and every state that needs no character to reach from it.
    fn enter(&self, state: usize, states: &mut States) {
        if !states.add(state) {
            return;
        }
        match self.0.get(state) {
            Some(Token::Many | Token::All) => self.enter(state + 1, states),
            Some(Token::Folders) => {
                self.enter(state + 1, states);
                self.enter(state + 2, states);
            }
            _ => {}
        }
    }

    fn step(&self, state: usize, c: char, next: &mut States) {
        let Some(token) = self.0.get(state) else { return };
        match token {
            Token::Char(wanted) if c == *wanted => self.enter(state + 1, next),
            Token::One if c != '/' => self.enter(state + 1, next),
            Token::Class { is_negated, ranges }
                if *is_negated != ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) =>
            {
                self.enter(state + 1, next);
            }
            Token::Many if c != '/' => self.enter(state, next),
            Token::All if c != '\n' => self.enter(state, next),
            Token::Within if c != '\n' => {
                self.enter(state, next);
                if c == '/' {
                    self.enter(state + 1, next);
                }
            }
            _ => {}
        }
    }
}

/// A set of positions in the tokens.
struct States {
    active: Vec<usize>,
    is_active: Vec<bool>,
}

impl States {
    fn new(length: usize) -> Self {
        Self { active: Vec::new(), is_active: vec![false; length] }
    }

    /// False when it was there already.
    fn add(&mut self, state: usize) -> bool {
        let is_new = !self.is_active[state];
        if is_new {
            self.is_active[state] = true;
            self.active.push(state);
        }
        is_new
    }

    fn clear(&mut self) {
        for state in self.active.drain(..) {
            self.is_active[state] = false;
        }
    }
}
