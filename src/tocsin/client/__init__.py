"""The SDK for producers: report jobs, record changes and events to a Tocsin server. Standard library only.

`Client` says at once what the server answered. `Reporter` never blocks and never raises: it sends in the background.
`job` reports a piece of Python as a job, through a reporter made from TOCSIN_URL and TOCSIN_API_KEY.
"""

from tocsin.client.client import Client
from tocsin.client.jobs import JobRun, current_job
from tocsin.client.reporter import Reporter, default_reporter, job
from tocsin.client.transport import Problem, Unreachable

__all__ = ["Client", "JobRun", "Problem", "Reporter", "Unreachable", "current_job", "default_reporter", "job"]
