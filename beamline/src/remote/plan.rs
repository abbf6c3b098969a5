//! `beamline plan …`: what the queue server would run.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::QueueServer;
use super::client::segment;

/// A question about plans.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Show the plans that may be queued.
    List(QueueServer),
    /// Print the JSON Schema of a plan's arguments.
    Schema(SchemaArgs),
}

/// Whose schema.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Name of the plan.
    plan: String,
    #[command(flatten)]
    server: QueueServer,
}

pub(crate) async fn run(command: PlanCommand) -> anyhow::Result<()> {
    match command {
        PlanCommand::List(server) => list(&server).await,
        PlanCommand::Schema(args) => schema(&args).await,
    }
}

async fn list(server: &QueueServer) -> anyhow::Result<()> {
    let mut queue = server.client().await?;
    let answer = queue.ask(Method::GET, "/api/plans/allowed", None).await?;
    queue.show(&answer, |answer| {
        let plans = answer["plans_allowed"].as_object().into_iter().flatten();
        let lines: Vec<_> = plans.map(|(name, plan)| line(name, plan)).collect();
        match lines.is_empty() {
            true => "no plans are known: open an environment first".to_owned(),
            false => lines.join("\n"),
        }
    })
}

/// The call of a plan and the first line of what is said of it: `count(detectors, num, delay, md)  Take readings`.
fn line(name: &str, plan: &Value) -> String {
    let parameters = plan["parameters"].as_array().into_iter().flatten();
    let names: Vec<_> = parameters.map(parameter).collect();
    let about = plan["description"].as_str().unwrap_or_default().trim();
    let about = about.lines().next().unwrap_or_default();
    format!("{name}({})  {about}", names.join(", ")).trim_end().to_owned()
}

fn parameter(parameter: &Value) -> String {
    let stars = match parameter["kind"]["name"].as_str() {
        Some("VAR_POSITIONAL") => "*",
        Some("VAR_KEYWORD") => "**",
        _ => "",
    };
    format!("{stars}{}", parameter["name"].as_str().unwrap_or("?"))
}

async fn schema(args: &SchemaArgs) -> anyhow::Result<()> {
    let mut queue = args.server.client().await?;
    let path = format!("/api/plans/schema?name={}", segment(&args.plan));
    let answer = queue.ask(Method::GET, &path, None).await?;
    let schema = answer["plans_schema"].as_object().and_then(|schemas| schemas.get(&args.plan));
    let Some(schema) = schema else { anyhow::bail!("there is no plan {}", args.plan) };
    queue.show(schema, |schema| format!("{schema:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_reads_like_its_signature() {
        let plan = json!({
            "description": "Scan over one trajectory.\n\nMore.",
            "parameters": [
                {"name": "detectors", "kind": {"name": "POSITIONAL_OR_KEYWORD"}},
                {"name": "args", "kind": {"name": "VAR_POSITIONAL"}},
            ],
        });
        assert_eq!(line("scan", &plan), "scan(detectors, *args)  Scan over one trajectory.");
        assert_eq!(line("null", &json!({"parameters": []})), "null()");
    }
}
