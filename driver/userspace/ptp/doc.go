// Package ptp is an ordinary clock of IEEE 1588-2008 over UDP and IPv4 (annex D) with
// the delay request-response mechanism, as slave and as grandmaster. It gives the media
// clock its mapping and steers nothing: the host's clock stays as it is.
//
// # Times
//
// There are five. PTP time is what the network agrees on. Timestamps of the kernel are of
// CLOCK_REALTIME, which somebody may set. Those of a network card are of its own clock, its
// PHC, which counts from anywhere and which another program may set or steer. Audio runs by CLOCK_MONOTONIC, which nobody
// sets, but an NTP client makes it faster and slower by as much as 500 ppm. Only
// CLOCK_MONOTONIC_RAW is as regular as the crystal. So timestamps are converted to raw
// time as they come in, the estimate is a line from raw time to PTP time, and the last
// step, from raw to monotonic, is done anew eight times a second. A host that sets or
// slews its clock does not disturb the mapping.
//
// # Hardware timestamps
//
// They leave out what a packet waits for on this host, and are taken where the card has
// them. The PHC is only read: together with raw time, whenever a timestamp comes, so that
// it is believed to run evenly for milliseconds and not more. Setting the card needs
// CAP_NET_ADMIN, and its clock the right to read /dev/ptp*. Without these, and when the
// card's timestamps do not come or its clock does not run, the kernel's are taken, and the
// log says why. Messages between clocks on one host never are on the card and have no
// timestamp of it.
//
// # Estimate
//
// A timestamp taken by software is late when it is wrong: a packet waits in a queue, or a
// CPU is busy. It is hardly ever early. So samples are not averaged: of those in a window
// the quarter that was delayed least tells the offset, and the slope is the median of
// the slopes between pairs of points. A PTP clock that has to steer an oscillator must
// react within seconds; we have only to know, and can look back half a minute.
//
// # Lock
//
// Unlocked: no master is followed or it sends no Sync. Locking: Sync comes. Locked: the
// mapping has stayed within 20 µs of the estimate for half a second, and the path delay
// has been measured twice; that takes up to 3 s from the first Sync. From
// then on the mapping moves by rate only, at most 160 ppm, and jumps only where the
// master's time has. Without a master it runs on at the last rate.
//
// # Delay requests
//
// They go to all, as the media profile has it (AES67-2018 annex A), and to the master alone
// (hybrid mode) if it sends its Syncs so or does not answer otherwise. Its answers may come
// in either way. A master is known by its port identity and its address, so that another
// one of the same identity changes nothing.
//
// # Master
//
// Whoever hears no better clock for the announce timeout becomes grandmaster and goes
// on from the mapping there is. The first one begins with the host's time. Two interfaces
// (SMPTE ST 2022-7) are two ports, of which one is followed; no time goes from one to
// the other, for this is no boundary clock.
//
// # Files
//
//   - clock.go, run.go: the exported type and its goroutines.
//   - node.go, slave.go, master.go, foreign.go, dataset.go: the protocol, one event
//     after the other. It is told the time and the packets and owns no socket.
//   - estimator.go, window.go: from timestamps to a line. Pure.
//   - output.go: from lines to mappings that do not jump.
//   - host.go: the host's clocks.
//   - message.go: bytes. wire.go, udp_linux.go: sockets.
//   - stamps_linux.go: whose timestamps a socket has. card_linux.go: what the card takes
//     the time of. phc.go, phc_linux.go: the card's clock.
package ptp
