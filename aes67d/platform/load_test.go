//go:build !race

package platform

// What a machine that runs tests can do: a number of channels, and a rate.
const most, fast = 64, 96000
