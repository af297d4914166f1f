//go:build tools

// Package kind names the program that ../build builds; the files of its node image come from the same module.
package kind

import _ "sigs.k8s.io/kind"
