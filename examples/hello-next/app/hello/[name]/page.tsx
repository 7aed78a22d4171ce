export default async function Hello({ params }: { params: Promise<{ name: string }> }) {
  const { name } = await params
  return <h1>{`Hello, ${decodeURIComponent(name)}`}</h1>
}
