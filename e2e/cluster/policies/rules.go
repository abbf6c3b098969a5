package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/knftables"
)

const tableName = "network-policies"

// The chains of the table. Pods are routed, so the forward hook sees every packet between two of them, with the
// addresses of pods in place of those of services; the input hook sees what they send to the node, such as questions
// to the DNS. What the node itself sends, as a kubelet that probes, passes neither.
const (
	forwardChain = "forward"
	inputChain   = "input"
	judgeChain   = "judge"
	egressChain  = "egress"
	ingressChain = "ingress"
)

// State is what the rules follow from.
type State struct {
	Policies   []*networking.NetworkPolicy
	Pods       []*core.Pod
	Namespaces []*core.Namespace
}

// Rules are those of each chain, in order.
type Rules map[string][]string

// translate makes rules of policies. A packet of an isolated pod is refused at the end of the chain of its direction,
// unless a rule in it has returned before: so the policies of a pod add up, and both ends have to agree.
func translate(state State) Rules {
	ordered := slices.SortedFunc(slices.Values(state.Policies), func(a, b *networking.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var ingress, egress []string
	var receivers, senders []*core.Pod
	for _, policy := range ordered {
		own := end{pods: state.selected(policy.Namespace, &policy.Spec.PodSelector, nil)}
		if len(own.pods) == 0 {
			continue
		}
		if slices.Contains(policy.Spec.PolicyTypes, networking.PolicyTypeIngress) {
			receivers = append(receivers, own.pods...)
			for _, rule := range policy.Spec.Ingress {
				for _, peer := range state.peers(policy.Namespace, rule.From) {
					ingress = append(ingress, allow(peer, own, rule.Ports)...)
				}
			}
		}
		if slices.Contains(policy.Spec.PolicyTypes, networking.PolicyTypeEgress) {
			senders = append(senders, own.pods...)
			for _, rule := range policy.Spec.Egress {
				for _, peer := range state.peers(policy.Namespace, rule.To) {
					egress = append(egress, allow(own, peer, rule.Ports)...)
				}
			}
		}
	}
	judge := []string{"ct state established,related accept"}
	var loops []string
	for _, pod := range state.selected(meta.NamespaceAll, nil, nil) {
		loops = append(loops, pod.Status.PodIP+" . "+pod.Status.PodIP)
	}
	if len(loops) > 0 {
		// A pod always reaches itself, through a service too.
		judge = append(judge, "ip saddr . ip daddr "+set(loops)+" accept")
	}
	if len(senders) > 0 {
		judge = append(judge, sentence(end{pods: senders}.as("saddr"), "jump "+egressChain))
	}
	if len(receivers) > 0 {
		judge = append(judge, sentence(end{pods: receivers}.as("daddr"), "jump "+ingressChain))
	}
	refuse := []string{"meta l4proto tcp reject with tcp reset", "reject"}
	return Rules{
		forwardChain: {"jump " + judgeChain},
		inputChain:   {"jump " + judgeChain},
		judgeChain:   judge,
		egressChain:  append(egress, refuse...),
		ingressChain: append(ingress, refuse...),
	}
}

// end is who may be at one end of a connection: pods, or an address of a block, or anybody.
type end struct {
	pods   []*core.Pod
	block  *networking.IPBlock
	anyone bool
}

// as is the condition on the address of that end.
func (e end) as(field string) string {
	switch {
	case e.anyone:
		return ""
	case e.block != nil:
		condition := "ip " + field + " " + e.block.CIDR
		for _, except := range e.block.Except {
			condition += " ip " + field + " != " + except
		}
		return condition
	default:
		var addresses []string
		for _, pod := range e.pods {
			addresses = append(addresses, pod.Status.PodIP)
		}
		return "ip " + field + " " + set(addresses)
	}
}

// peers are the other ends that a rule names: anybody, when it names none.
func (s State) peers(namespace string, named []networking.NetworkPolicyPeer) []end {
	if len(named) == 0 {
		return []end{{anyone: true, pods: s.selected(meta.NamespaceAll, nil, nil)}}
	}
	var ends []end
	for _, peer := range named {
		if peer.IPBlock != nil {
			// No packet here has an address of version 6.
			if prefix, err := netip.ParsePrefix(peer.IPBlock.CIDR); err == nil && prefix.Addr().Is4() {
				ends = append(ends, end{block: peer.IPBlock})
			}
			continue
		}
		if pods := s.selected(namespace, peer.PodSelector, peer.NamespaceSelector); len(pods) > 0 {
			ends = append(ends, end{pods: pods})
		}
	}
	return ends
}

// selected are the pods with an address of their own that a selector chooses: in the selected namespaces, or else in
// the given one. Without a selector all are.
func (s State) selected(namespace string, pods, namespaces *meta.LabelSelector) []*core.Pod {
	chosen := map[string]bool{}
	for _, one := range s.Namespaces {
		if namespaces != nil {
			chosen[one.Name] = matches(namespaces, one.Labels)
		} else {
			chosen[one.Name] = namespace == meta.NamespaceAll || namespace == one.Name
		}
	}
	var found []*core.Pod
	for _, pod := range s.Pods {
		over := pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed
		if pod.Status.PodIP == "" || pod.Spec.HostNetwork || over {
			continue
		}
		if chosen[pod.Namespace] && (pods == nil || matches(pods, pod.Labels)) {
			found = append(found, pod)
		}
	}
	// The same pods give the same rules.
	slices.SortFunc(found, func(a, b *core.Pod) int { return cmp.Compare(a.Status.PodIP, b.Status.PodIP) })
	return found
}

// matches tells whether a selector, which the API server has found legal, chooses labels.
func matches(selector *meta.LabelSelector, of map[string]string) bool {
	parsed, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(of))
}

// allow are the rules that let a source connect to the ports of a target: to all, when none is named.
func allow(source, target end, ports []networking.NetworkPolicyPort) []string {
	if len(ports) == 0 {
		return []string{sentence(source.as("saddr"), target.as("daddr"), "return")}
	}
	var rules []string
	for _, port := range ports {
		protocol := core.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		kind := strings.ToLower(string(protocol))
		to := func(target end, port string) {
			rules = append(rules, sentence(source.as("saddr"), target.as("daddr"), port, "return"))
		}
		switch {
		case port.Port == nil:
			to(target, "meta l4proto "+kind)
		case port.Port.Type == intstr.String:
			// The same name may be another number in each pod.
			for _, pod := range target.pods {
				for _, number := range numbers(pod, port.Port.StrVal, protocol) {
					to(end{pods: []*core.Pod{pod}}, fmt.Sprintf("%s dport %d", kind, number))
				}
			}
		case port.EndPort != nil:
			to(target, fmt.Sprintf("%s dport %d-%d", kind, port.Port.IntVal, *port.EndPort))
		default:
			to(target, fmt.Sprintf("%s dport %d", kind, port.Port.IntVal))
		}
	}
	return rules
}

// numbers are the ports of a pod that have a name.
func numbers(pod *core.Pod, name string, protocol core.Protocol) (found []int32) {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == name && cmp.Or(port.Protocol, core.ProtocolTCP) == protocol {
				found = append(found, port.ContainerPort)
			}
		}
	}
	return found
}

// set is a set of values as nftables writes it: the same for the same values.
func set(values []string) string {
	slices.Sort(values)
	return "{ " + strings.Join(slices.Compact(values), ", ") + " }"
}

// sentence joins the conditions of a rule that say something.
func sentence(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), " ")
}

// transaction replaces every rule of the table.
func transaction(table knftables.Interface, rules Rules) *knftables.Transaction {
	change := table.NewTransaction()
	change.Add(&knftables.Table{})
	for name := range rules {
		chain := &knftables.Chain{Name: name}
		if name == forwardChain || name == inputChain {
			chain.Type = knftables.PtrTo(knftables.FilterType)
			chain.Hook = knftables.PtrTo(knftables.BaseChainHook(name))
			chain.Priority = knftables.PtrTo(knftables.FilterPriority)
		}
		change.Add(chain)
		change.Flush(chain)
	}
	for name, ordered := range rules {
		for _, rule := range ordered {
			change.Add(&knftables.Rule{Chain: name, Rule: rule})
		}
	}
	return change
}
