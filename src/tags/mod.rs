//! Tag rules: rules, flavor and what the CI and git know in, tags of the image out. Pure.
