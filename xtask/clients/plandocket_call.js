// PlanDocket's call in JavaScript, as its page has it: base address and key are the arguments.
(async () => {
  const [baseUrl, apiKey] = process.argv.slice(2);
  const response = await fetch(`${baseUrl}/api/v1/audit-log`, {
    method: 'GET',
    headers: {
      'Authorization': `Bearer ${apiKey}`,
      'Content-Type': 'application/json',
    },
  });
  const data = await response.json();
  console.log(data);
})();
