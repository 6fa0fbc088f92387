"""A feed over several workers: one mapped task for each shard.

Every shard takes the topics whose hash is its own, and appends to the same table. A
task that fails is tried again by itself, with the same index and so the same topics.

The worker's environment says what is loaded and where to:

- `TAP_WEBSOCKET_SHARD_COUNT`: number of shards.
- `TAP_CONFIG`, `TARGET_CONFIG`: paths of the two config files.
- `TAP`, `TARGET`: the commands, where they are not on the worker's `PATH`.
"""

import datetime as dt
import os

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

SHARDS = int(os.environ.get("TAP_WEBSOCKET_SHARD_COUNT", "4"))

# Without `pipefail` a tap that was killed would leave a task that succeeded.
COMMAND = """
set -o pipefail
"${TAP:-tap-websocket}" --config "$TAP_CONFIG" --config=ENV |
  "${TARGET:-target-postgres}" --config "$TARGET_CONFIG"
"""

with DAG(
    dag_id="tap_websocket_shards",
    # The tap ends by itself: let max_duration be a little less than the interval.
    schedule=dt.timedelta(hours=1),
    start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 3,
        "retry_delay": dt.timedelta(seconds=5),
    },
) as dag:
    BashOperator.partial(
        task_id="shard",
        bash_command=COMMAND,
        append_env=True,
    ).expand(
        env=[
            {
                "TAP_WEBSOCKET_SHARD_INDEX": str(index),
                "TAP_WEBSOCKET_SHARD_COUNT": str(SHARDS),
            }
            for index in range(SHARDS)
        ],
    )
