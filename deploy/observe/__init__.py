"""What an operator watches Placet with: alerting rules and dashboards, as code that the chart's files are made from."""
