// Package ravenna drives the RAVENNA ALSA kernel module of Merging Technologies, and
// tells beforehand whether a module can be loaded.
//
// # Driving the module
//
// The module is a sound card whose samples come from RTP and go there. A daemon tells it
// what to do in netlink messages: [Driver] is that side of the conversation. There are
// two sockets. On one we give commands and the module answers; on the other it tells
// or asks something, an event, and waits up to 1 s for our answer.
//
// Three habits of the module shape the code:
//
//   - It carries out a command in the thread that sends it, inside of sendto, which can
//     take half a minute. Events may come in that time and must be answered. So events
//     have a goroutine of their own, the timeout of an answer begins after sendto, and a
//     command cannot be taken back: methods whose context ends return, the command goes on.
//   - It talks to whoever said Hello last, and to nobody else. It neither refuses a second
//     daemon nor tells the first. So before our Hello we look in the kernel's list of
//     sockets for another, and an answer that does not come means that the module is ours
//     no longer; then we begin anew.
//   - It says that all is well when it is not: about streams that it does not have, about a
//     rate that it cannot change now, about interfaces that do not exist. So what can be
//     known before is checked here, and the rate is asked for afterwards.
//
// The parts, from the inside:
//
//   - message.go and layout.go: bytes. Pure. There are two layouts, the ABIs of the
//     module's versions 1 and 2, and testdata has recordings of both.
//   - link.go and event.go: one conversation over two endpoints.
//   - run.go and stream.go: what is said, on one goroutine, and when to begin anew.
//   - driver.go: the methods, each of which has that goroutine do something.
//   - socket_linux.go: the real endpoints.
//
// # Checking a module
//
// The module is not part of the project and not of Debian: who wants it builds it
// for the very kernel of the image and hands over the file. A module built for
// another kernel is refused by the kernel at boot, on an appliance without a shell,
// where the reason is hard to come by. [Check] therefore asks beforehand what the
// kernel will ask (check_modinfo and check_version in its kernel/module), so that
// the answer comes on the desk of the person who can build another one.
//
// In one thing Check is stricter. A kernel with symbol versions passes over the
// release in vermagic and trusts the CRCs; but they cover only what a symbol's
// declaration reaches, and a module for another release fits by luck.
package ravenna
