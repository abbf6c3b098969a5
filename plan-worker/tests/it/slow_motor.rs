//! A motor that moves only when the test lets it, and remembers what it was told.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use plan_worker::devices::{DataKeys, Device, DeviceError, Hints, PythonClass, Reading, Readings};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

/// The motor.
#[derive(Debug)]
pub(crate) struct SlowMotor {
    position: Mutex<Value>,
    arrivals: Semaphore,
    refused: Option<f64>,
    told: mpsc::UnboundedSender<String>,
}

impl SlowMotor {
    /// A motor at 1 that may arrive `arrivals` times, and the commands that it gets. It fails to go to `refused`.
    pub(crate) fn new(
        arrivals: usize,
        refused: Option<f64>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (told, commands) = mpsc::unbounded_channel();
        let motor = Self {
            position: Mutex::new(json!(1.0)),
            arrivals: Semaphore::new(arrivals),
            refused,
            told,
        };
        (Arc::new(motor), commands)
    }

    /// Lets it arrive that many times more.
    pub(crate) fn let_arrive(&self, times: usize) {
        self.arrivals.add_permits(times);
    }
}

/// All commands so far.
pub(crate) fn commands(receiver: &mut mpsc::UnboundedReceiver<String>) -> Vec<String> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

#[async_trait]
impl Device for SlowMotor {
    fn name(&self) -> &str {
        "slow"
    }

    fn class(&self) -> PythonClass {
        PythonClass { name: "SlowMotor".into(), module: "tests".into() }
    }

    fn representation(&self) -> String {
        "SlowMotor()".into()
    }

    fn hints(&self) -> Hints {
        Hints::Fields(vec!["slow".into()])
    }

    fn is_movable(&self) -> bool {
        true
    }

    async fn read(&self) -> Result<Readings, DeviceError> {
        let reading = Reading { value: self.position.lock().clone(), timestamp: 0.0 };
        Ok([("slow".to_owned(), reading)].into_iter().collect())
    }

    async fn describe(&self) -> Result<DataKeys, DeviceError> {
        let key = json!({"source": "TEST:slow", "dtype": "number", "shape": []});
        Ok([("slow".to_owned(), key)].into_iter().collect())
    }

    async fn read_configuration(&self) -> Result<Readings, DeviceError> {
        Ok(Readings::new())
    }

    async fn describe_configuration(&self) -> Result<DataKeys, DeviceError> {
        Ok(DataKeys::new())
    }

    async fn trigger(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    async fn set(&self, value: &Value) -> Result<(), DeviceError> {
        let _ = self.told.send(format!("go to {value}"));
        self.arrivals.acquire().await.unwrap().forget();
        if self.refused.is_some() && value.as_f64() == self.refused {
            return Err(DeviceError::Missed {
                device: "slow".into(),
                target: value.clone(),
                reason: "hit a wall".into(),
            });
        }
        *self.position.lock() = value.clone();
        Ok(())
    }

    async fn position(&self) -> Result<Value, DeviceError> {
        Ok(self.position.lock().clone())
    }

    async fn stop(&self) -> Result<(), DeviceError> {
        let _ = self.told.send("stop".into());
        Ok(())
    }
}
