//go:build tools

// Package buildkit names the programs of the second builder that ../build builds; runc is Debian's.
package buildkit

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
