// Policies enforces the NetworkPolicies of a cluster of one node: it follows policies, pods and namespaces, and
// keeps one nftables table that refuses what they do not allow. Its port opens when the table stands for the first
// time; when the table cannot be written it ends.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/knftables"
)

// writeLimit is how long the kernel of a busy machine may take for one table.
const writeLimit = time.Minute

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how the API server is reached")
	ready := flag.String("ready", "", "where to listen once the policies hold, such as 127.0.0.1:9000")
	flag.Parse()
	log.Fatal(enforce(context.Background(), *kubeconfig, *ready))
}

// enforce runs until something fails.
func enforce(ctx context.Context, kubeconfig, ready string) error {
	access, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return err
	}
	table, err := knftables.New(knftables.IPv4Family, tableName)
	if err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	current, err := watch(ctx, client, changed)
	if err != nil {
		return err
	}
	var standing Rules
	for ; ; <-changed {
		state, err := current()
		if err != nil {
			return err
		}
		wanted := translate(state)
		if reflect.DeepEqual(wanted, standing) {
			continue
		}
		if err := write(ctx, table, wanted); err != nil {
			return err
		}
		if standing == nil {
			listener, err := net.Listen("tcp", ready)
			if err != nil {
				return err
			}
			defer listener.Close()
		}
		standing = wanted
	}
}

// watch follows what policies depend on: it signals changes, and returns how to ask for the present state.
func watch(ctx context.Context, client kubernetes.Interface, changed chan<- struct{}) (func() (State, error), error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	policies := factory.Networking().V1().NetworkPolicies()
	pods := factory.Core().V1().Pods()
	namespaces := factory.Core().V1().Namespaces()
	signal := func() {
		select {
		case changed <- struct{}{}:
		default: // It is signalled already.
		}
	}
	for _, informer := range []cache.SharedInformer{policies.Informer(), pods.Informer(), namespaces.Informer()} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { signal() },
			UpdateFunc: func(any, any) { signal() },
			DeleteFunc: func(any) { signal() },
		})
		if err != nil {
			return nil, err
		}
	}
	current := func() (state State, err error) {
		if state.Policies, err = policies.Lister().List(labels.Everything()); err != nil {
			return state, err
		}
		if state.Pods, err = pods.Lister().List(labels.Everything()); err != nil {
			return state, err
		}
		state.Namespaces, err = namespaces.Lister().List(labels.Everything())
		return state, err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return current, nil
}

// write replaces the table in one transaction: no packet sees half of it.
func write(ctx context.Context, table knftables.Interface, rules Rules) error {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	return table.Run(ctx, transaction(table, rules))
}
