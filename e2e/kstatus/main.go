// Kstatus says what Flux makes of an object: it reads one as JSON and prints its status and why. Flux waits, for
// `wait` and `healthChecks`, with the same library.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	log.SetFlags(0)
	var object unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&object); err != nil {
		log.Fatalln("no object:", err)
	}
	result, err := status.Compute(&object)
	if err != nil {
		log.Fatalln("no status:", err)
	}
	fmt.Printf("%s: %s\n", result.Status, result.Message)
}
