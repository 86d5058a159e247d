//go:build race

package platform

// What a machine that runs tests can do: a number of channels, and a rate. With the race
// detector, each sample takes a microsecond each time it goes into a ring or out of it.
const most, fast = 4, 48000
