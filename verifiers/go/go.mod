module annals.example/verify

go 1.24

require golang.org/x/mod v0.0.0

// `cargo xtask verifiers` puts the copy that the Go toolchain brings along here.
replace golang.org/x/mod => ./xmod
