// Guest has the programs of the tests that run in the guest:
//
//	guest recital      plays on a sound card, and checks what comes back
//	guest grandmaster  is a PTP grandmaster whose clock is wrong
package main

import (
	"fmt"
	"os"
)

func main() {
	programs := map[string]func(name string, arguments []string) error{"recital": reciteMain, "grandmaster": leadMain}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: guest recital|grandmaster [flags]")
		os.Exit(2)
	}
	if err := programs[os.Args[1]](os.Args[1], os.Args[2:]); err != nil {
		fmt.Println(os.Args[1]+": bad:", err)
		os.Exit(1)
	}
}
