package appliance

import (
	"fmt"

	"aes67os/board"
	"aes67os/init/api"
	"aes67os/init/modules"
)

// loadDriver loads the RAVENNA kernel module if the image has one. Without it, aes67d's
// own driver moves the audio.
func loadDriver(r board.Release, loader *modules.Loader) api.Driver {
	without := func(why string) api.Driver { return api.Driver{Name: "userspace", Why: why} }
	if r.RavennaModule == "" {
		return without("the image has no RAVENNA kernel module, and needs none")
	}
	if loader == nil {
		return without("no kernel module can be loaded")
	}
	if err := loader.Load(r.RavennaModule); err != nil {
		return without(fmt.Sprintf("the RAVENNA kernel module is in the image but could not be loaded: %v", err))
	}
	return api.Driver{Name: "ravenna"}
}
