//go:build tools

// Package kwok names the program that ../build builds, so that go.mod and go.sum pin all that it needs.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
