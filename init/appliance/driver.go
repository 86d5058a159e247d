package appliance

import (
	"fmt"

	"aes67os/board"
	"aes67os/init/api"
	"aes67os/init/modules"
)

// loadDriver loads the RAVENNA kernel module if the image has one.
func loadDriver(r board.Release, loader *modules.Loader) api.Driver {
	if r.RavennaModule == "" {
		return api.Driver{Name: "none", Why: "the image was built without a RAVENNA kernel module"}
	}
	if loader == nil {
		return api.Driver{Name: "none", Why: "no kernel module can be loaded"}
	}
	if err := loader.Load(r.RavennaModule); err != nil {
		return api.Driver{Name: "none", Why: fmt.Sprintf("the RAVENNA kernel module is in the image but could not be loaded: %v", err)}
	}
	return api.Driver{Name: "ravenna"}
}
